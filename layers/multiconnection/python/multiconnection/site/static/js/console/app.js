// The console: its views and where they are.
import { html, render } from "../lib/html.js";
import { Shell } from "../ui/shell.js";

const NAV = [
  { path: "", label: "Overview", icon: "overview" },
  { path: "/keys", label: "Keys", icon: "keys" },
  { path: "/usage", label: "Usage", icon: "usage" },
  { path: "/billing", label: "Billing", icon: "billing" },
  { path: "/playground", label: "Playground", icon: "playground" },
  { path: "/settings", label: "Settings", icon: "settings", secondary: true },
];
const overview = () => import("./views/overview.js");
const keys = () => import("./views/keys.js");
const usage = () => import("./views/usage.js");
const billing = () => import("./views/billing.js");
const recharge = () => import("./views/recharge.js");
const order = () => import("./views/order.js");
const playground = () => import("./views/playground.js");
const settings = () => import("./views/settings.js");
const ROUTES = [
  ["/", overview],
  ["/keys", keys],
  ["/usage", usage],
  ["/billing", billing],
  ["/billing/recharge", recharge],
  ["/billing/orders/:id", order],
  ["/playground", playground],
  ["/settings", settings],
];

const place = document.getElementById("app");
place.replaceChildren();
render(html`<${Shell} routes=${ROUTES} nav=${NAV} label="Console" />`, place);
