// The frame of console and admin: rail or bottom bar, top bar, and what concerns every view.
import { api } from "../lib/api.js";
import { url } from "../lib/base.js";
import { createContext, html, useContext, useEffect, useRef, useState } from "../lib/html.js";
import { balancePlaces } from "../lib/money.js";
import { useResource } from "../lib/resource.js";
import { at, useRoute } from "../lib/router.js";
import { isDark, toggleTheme } from "../lib/theme.js";
import { Badge, Button, LinkButton, Money, Notice, Problem, Skeleton } from "./basics.js";
import { Icon } from "./icons.js";
import { View, Waiting } from "./view.js";

const UNLOADED = { message: "You are offline, or there is a new version of this page." };
const BALANCE_EVERY_MS = 30000;
const Shared = createContext(null);

// The account and the balance of whoever is signed in: {account, balance}, each as useResource gives it.
export const useShared = () => useContext(Shared);
export const balanceChanged = () => dispatchEvent(new Event("balancechange"));

// routes: [[pattern, load]] where load() imports a module whose default is a component; pattern parts may be ":name".
// nav: [{path, label, icon, secondary}]; `secondary` ones are in the account's menu on a phone.
export function Shell({ routes, nav, label, onlyAdmins }) {
  const route = useRoute();
  const account = useResource("/api/account", { keep: true });
  // An administrator's own balance beside somebody else's would only be taken for it.
  const balance = useResource(onlyAdmins ? null : "/api/balance", { keep: true, poll: () => BALANCE_EVERY_MS });
  const [lost, setLost] = useState(false);
  useEffect(() => {
    const onLost = () => setLost(true);
    addEventListener("sessionlost", onLost);
    addEventListener("balancechange", balance.reload);
    return () => { removeEventListener("sessionlost", onLost); removeEventListener("balancechange", balance.reload); };
  }, []);
  useEffect(() => {
    if (lost && !account.data) signIn();
  }, [lost, account.data]);

  return html`<${Shared.Provider} value=${{ account, balance }}>
    <a class="skip" href="#main">Skip to content</a>
    <div class="shell">
      <${Rail} nav=${nav} path=${route.path} label=${label} />
      <${TopBar} balance=${onlyAdmins ? null : balance} account=${account} nav=${nav} label=${label} />
      <main id="main" tabindex="-1">
        <${Offline} />
        ${lost && account.data && html`<${Ended} />`}
        ${account.data && onlyAdmins && !account.data.is_admin ? html`<${NotAnAdmin} />`
          : account.data ? html`<${Current} route=${route} routes=${routes} />`
            : account.error && !account.error.isSession
              ? html`<div class="view"><h1>${label}</h1><${Problem} error=${account.error} what="Your account could not be loaded." retry=${account.reload} /></div>`
              : html`<${Waiting} />`}
      </main>
    </div></${Shared.Provider}>`;
}

function signIn() {
  location.replace(`${url("/sign-in")}?next=${encodeURIComponent(location.pathname + location.search)}`);
}

const Ended = () => html`<${Notice} tone="warn" title="Your session has ended" alert>
  <p>What you see is as it was. Sign in again to go on from here.</p>
  <p><${Button} kind="primary" small onClick=${signIn}>Sign in</${Button}></p></${Notice}>`;

const NotAnAdmin = () => html`<${View} title="Administrators only" lead="This account has no admin permission.">
  <p><${LinkButton} href=${url("/console")}>Open the console</${LinkButton}></p></${View}>`;

function Offline() {
  const [online, setOnline] = useState(navigator.onLine);
  useEffect(() => {
    const update = () => setOnline(navigator.onLine);
    addEventListener("online", update);
    addEventListener("offline", update);
    return () => { removeEventListener("online", update); removeEventListener("offline", update); };
  }, []);
  return html`<div role="status">${!online && html`<${Notice} tone="warn" title="You are offline">What you see may be old. It is loaded again when you are back.</${Notice}>`}</div>`;
}

// Finds the view of a path and loads its module; the parts named in the pattern become its properties.
function Current({ route, routes }) {
  const found = match(routes, route.path);
  const [view, setView] = useState({ load: null, Component: null, error: null });
  const load = found?.load;
  useEffect(() => {
    let gone = false;
    load?.().then(
      (module) => { if (!gone) setView({ load, Component: module.default, error: null }); },
      () => { if (!gone) setView({ load, Component: null, error: UNLOADED }); },
    );
    return () => { gone = true; };
  }, [load]);
  // A module that could not be loaded once is not asked for again by the same page.
  useEffect(() => {
    if (!view.error) return undefined;
    const again = () => location.reload();
    addEventListener("online", again);
    return () => removeEventListener("online", again);
  }, [view.error]);
  if (!found) return html`<${View} key=${route.path} title="Not found" lead="There is no such page."><p><${LinkButton} href=${at()}>Back to the start</${LinkButton}></p></${View}>`;
  if (view.load !== load) return html`<${Waiting} />`;
  if (view.error) return html`<div class="view"><${Problem} error=${view.error} what="This page could not be loaded." retry=${() => location.reload()} /></div>`;
  return html`<${view.Component} key=${found.key} ...${found.params} query=${route.query} />`;
}

// An address that somebody mistyped is the name of nothing, and no reason to show nothing.
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function match(routes, path) {
  const parts = path.split("/").filter(Boolean);
  for (const [pattern, load] of routes) {
    const wanted = pattern.split("/").filter(Boolean);
    if (wanted.length !== parts.length) continue;
    const params = {};
    const fits = wanted.every((part, n) => {
      if (!part.startsWith(":")) return part === parts[n];
      params[part.slice(1)] = decoded(parts[n]);
      return true;
    });
    if (fits) return { load, params, key: pattern + JSON.stringify(params) };
  }
  return null;
}

const isHere = (path, item) => (item.path === "" ? path === "/" : path === item.path || path.startsWith(`${item.path}/`));

const Rail = ({ nav, path, label }) => html`<nav class="rail" aria-label=${label}>
  <a class="logo" href=${url("/")}><svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="7" /><path d="M7 22V10l9 8 9-8v12" fill="none" stroke-width="3.2" stroke-linecap="round" stroke-linejoin="round" /></svg>MultiConnection</a>
  <ul>${nav.map((item) => html`<li key=${item.path} class=${item.secondary ? "secondary" : ""}><a href=${at(item.path)} aria-current=${isHere(path, item) ? "page" : undefined}>
    <${Icon} name=${item.icon} /><span>${item.label}</span></a></li>`)}</ul></nav>`;

function TopBar({ balance, account, nav, label }) {
  return html`<header class="bar">
    <span class="bar-title grow">${label}</span>
    ${balance && html`<${BarBalance} balance=${balance} />`}
    <${ThemeButton} />
    <${AccountMenu} account=${account.data} nav=${nav} />
  </header>`;
}

function BarBalance({ balance }) {
  const data = balance.data;
  return html`<div class="bar-balance" role="group" aria-label="Balance">
      ${data ? html`<span><span class="muted small">Available</span> <strong><${Money} amount=${data.available} places=${balancePlaces(data)} /></strong></span>
        <span class="in-flight"><span class="muted small">In flight</span> <${Money} amount=${data.in_flight} places=${balancePlaces(data)} /></span>`
        : balance.error ? html`<span class="muted small">Balance unknown</span>` : html`<${Skeleton} width="180px" />`}</div>`;
}

function ThemeButton() {
  const [dark, setDark] = useState(isDark);
  useEffect(() => {
    const update = () => setDark(isDark());
    const system = matchMedia("(prefers-color-scheme: dark)");
    addEventListener("themechange", update);
    system.addEventListener("change", update);
    return () => { removeEventListener("themechange", update); system.removeEventListener("change", update); };
  }, []);
  return html`<${Button} kind="quiet" icon=${dark ? "sun" : "moon"} class="icon" aria-label=${dark ? "Use the light theme" : "Use the dark theme"} onClick=${toggleTheme} />`;
}

function AccountMenu({ account, nav }) {
  const ref = useRef(null);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    const close = (event) => { if (ref.current && !ref.current.contains(event.target)) ref.current.open = false; };
    const escape = (event) => {
      if (event.key !== "Escape" || !ref.current?.open) return;
      ref.current.open = false;
      ref.current.firstElementChild.focus();
    };
    addEventListener("pointerdown", close);
    addEventListener("keydown", escape);
    return () => { removeEventListener("pointerdown", close); removeEventListener("keydown", escape); };
  }, []);
  const leave = async () => {
    setProblem(null);
    try {
      await api.post("/api/auth/sign-out");
    } catch (error) {
      return setProblem(error);
    }
    location.assign(url("/"));
  };
  const shut = (event) => { if (event.target.closest("a")) ref.current.open = false; };
  return html`<details class="account" ref=${ref} onClick=${shut}><summary class="btn quiet icon" aria-label="Account"><${Icon} name="user" /></summary>
    <div class="account-menu">
      <p><strong class="break">${account?.name || account?.email || ""}</strong><br /><span class="muted small break">${account?.email || ""}</span></p>
      ${account?.is_admin && html`<p><${Badge} tone="accent">Administrator</${Badge}></p>`}
      ${nav.filter((item) => item.secondary).map((item) => html`<a key=${item.path} href=${at(item.path)}>${item.label}</a>`)}
      ${account?.is_admin && html`<a href=${url("/admin")}>Admin</a><a href=${url("/console")}>Console</a>`}
      <a href=${url("/docs")}>API documentation</a>
      <${Problem} error=${problem} what="You are still signed in." />
      <${Button} onClick=${leave}>Sign out</${Button}>
    </div></details>`;
}
