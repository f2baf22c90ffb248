// The admin pages: their views and where they are.
import { html, render } from "../lib/html.js";
import { Shell } from "../ui/shell.js";

const NAV = [{ path: "", label: "Providers", icon: "providers" }];
const providers = () => import("./views/providers.js");
const ROUTES = [["/", providers]];

const place = document.getElementById("app");
place.replaceChildren();
render(html`<${Shell} routes=${ROUTES} nav=${NAV} label="Admin" onlyAdmins />`, place);
