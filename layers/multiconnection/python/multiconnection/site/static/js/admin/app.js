// The admin pages: their views and where they are.
import { html, render } from "../lib/html.js";
import { Shell } from "../ui/shell.js";

const NAV = [
  { path: "/orders", label: "Orders", icon: "orders" },
  { path: "/accounts", label: "Accounts", icon: "accounts" },
  { path: "/models", label: "Models", icon: "models" },
  { path: "/providers", label: "Providers", icon: "providers" },
  { path: "/revenue", label: "Revenue", icon: "revenue" },
  { path: "/reconciliation", label: "Reconciliation", icon: "reconciliation", secondary: true },
  { path: "/audit", label: "Audit", icon: "audit", secondary: true },
];
const start = () => import("./views/start.js");
const orders = () => import("./views/orders.js");
const order = () => import("./views/order.js");
const accounts = () => import("./views/accounts.js");
const account = () => import("./views/account.js");
const adjustments = () => import("./views/adjustments.js");
const models = () => import("./views/models.js");
const model = () => import("./views/model.js");
const providers = () => import("./views/providers.js");
const revenue = () => import("./views/revenue.js");
const reconciliation = () => import("./views/reconciliation.js");
const audit = () => import("./views/audit.js");
const ROUTES = [
  ["/", start],
  ["/orders", orders],
  ["/orders/:id", order],
  ["/accounts", accounts],
  ["/accounts/adjustments", adjustments],
  ["/accounts/:id", account],
  ["/models", models],
  ["/models/:id", model],
  ["/providers", providers],
  ["/revenue", revenue],
  ["/reconciliation", reconciliation],
  ["/audit", audit],
];

const place = document.getElementById("app");
place.replaceChildren();
render(html`<${Shell} routes=${ROUTES} nav=${NAV} label="Admin" onlyAdmins />`, place);
