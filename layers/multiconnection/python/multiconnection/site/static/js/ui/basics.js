// The small parts that every view is made of.
import { copy } from "../lib/copy.js";
import { html, useEffect, useRef, useState } from "../lib/html.js";
import { exact, usd } from "../lib/money.js";
import { url } from "../lib/base.js";
import { ago, iso, moment, secondsOf, wholeMoment } from "../lib/time.js";
import { Icon } from "./icons.js";

const SHOWN_MS = 1800;

// kind: primary, danger, quiet; busy keeps the focus, which `disabled` would lose.
export function Button({ kind = "", small, icon, busy, disabled, type = "button", onClick, children, class: extra = "", ...rest }) {
  const off = busy || disabled;
  return html`<button type=${type} class="btn ${kind} ${small ? "small" : ""} ${extra}" aria-disabled=${off ? "true" : undefined}
    aria-busy=${busy ? "true" : undefined} onClick=${(event) => (off ? event.preventDefault() : onClick?.(event))} ...${rest}>
    ${icon && html`<${Icon} name=${icon} />`}${busy ? "Working …" : children}</button>`;
}

export const LinkButton = ({ kind = "", small, icon, children, ...rest }) =>
  html`<a class="btn ${kind} ${small ? "small" : ""}" ...${rest}>${icon && html`<${Icon} name=${icon} />`}${children}</a>`;

// tone: good, warn, bad, accent or nothing
export const Badge = ({ tone = "", children }) => html`<span class="badge ${tone}">${children}</span>`;

// `places` are those of everything that is shown beside it (`placesOf`); all nine digits on hover and focus.
export const Money = ({ amount, places, quiet }) => html`<span class="money exact" data-exact=${exact(amount)}
  tabindex=${quiet ? undefined : 0} title=${quiet ? exact(amount) : undefined}>${usd(amount, places)}
  ${!quiet && html`<span class="visually-hidden"> (exactly ${exact(amount)})</span>`}</span>`;

// as: another way to write it, such as `toTheSecond`
export const Time = ({ at, relative, as = relative ? ago : moment }) => (at
  ? html`<time datetime=${iso(at)} title=${wholeMoment(at)}>${as(at)}</time>`
  : html`<span class="muted">Never</span>`);

export function CopyButton({ text, label = "Copy", small = true, ...rest }) {
  const [state, setState] = useState("");
  const timer = useRef(0);
  useEffect(() => () => clearTimeout(timer.current), []);
  const press = async () => {
    setState((await copy(text)) ? "Copied" : "Copy by hand");
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setState(""), SHOWN_MS);
  };
  return html`<button type="button" class="btn ${small ? "small" : ""} ${state ? "copied" : ""}" onClick=${press} ...${rest}>
    <span aria-live="polite">${state || label}</span></button>`;
}

export const CopyLine = ({ text, label }) => html`<div class="copyline"><code tabindex="0" role="group" aria-label=${label}>${text}</code>
  <${CopyButton} text=${text} aria-label=${`Copy ${label}`} /></div>`;

export const Notice = ({ tone = "", title, children, alert }) => html`<div class="notice ${tone}" role=${alert ? "alert" : undefined}>
  ${title && html`<strong>${title}</strong>`}${children}</div>`;

const signInHere = () => `${url("/sign-in")}?next=${encodeURIComponent(location.pathname + location.search)}`;

// What failed, the request's id, and a way on; announced. A dialog covers the page's own offer to sign in again.
export const Problem = ({ error, what = "This did not work.", retry }) => (error
  ? html`<${Notice} tone="bad" title=${what} alert>
      <p>${error.message}${error.retryAfter ? ` Try again in ${secondsOf(error.retryAfter)}.` : ""}</p>
      <p class="row small">${error.requestId && html`<span class="muted">Request <code>${error.requestId}</code></span>`}
        ${error.isSession ? html`<${LinkButton} small kind="primary" href=${signInHere()}>Sign in again</${LinkButton}>`
          : retry && html`<${Button} small onClick=${retry}>Try again</${Button}>`}</p></${Notice}>`
  : null);

// The same for something that changes what is stored. Without an answer nobody knows whether it was changed;
// `safe` where a repetition cannot do it twice.
export const Failure = ({ error, what, safe }) => (error?.isUnknown
  ? html`<${Notice} tone="bad" title="It is not known whether this was done" alert><p>${error.message} No answer has come.
      ${safe ? "You can send it again: it is done once at most." : "Look at what is there now before you repeat it."}</p></${Notice}>`
  : html`<${Problem} error=${error} what=${what} />`);

// What would be here, and the one next action.
export const Empty = ({ title, children, action }) => html`<div class="empty"><p class="empty-title">${title}</p><p class="muted">${children}</p>${action}</div>`;

export const Skeleton = ({ lines = 1, height, width }) => html`<span class="skeletons" aria-hidden="true">
  ${Array.from({ length: lines }, (_, n) => html`<span class="skeleton" key=${n} style=${{ height: height || "1em", width: width || "100%" }}></span>`)}</span>`;

export const Card = ({ title, actions, children, flush, id }) => html`<section class="card" aria-labelledby=${id}>
  ${title && html`<header><h2 id=${id}>${title}</h2>${actions && html`<div class="row">${actions}</div>`}</header>`}
  ${flush ? children : html`<div class="body">${children}</div>`}</section>`;

// items: [[term, value], …]; a false item is left out
export const Facts = ({ items }) => html`<dl class="facts">${items.filter(Boolean).map(([term, value]) =>
  html`<dt>${term}</dt><dd>${value}</dd>`)}</dl>`;

// tabs: [[value, label], …] as links, so that the open one is in the URL
export const LinkTabs = ({ tabs, current, href, label }) => html`<nav class="tabs" aria-label=${label}>${tabs.map(([value, name]) =>
  html`<a key=${value} href=${href(value)} aria-current=${value === current ? "page" : undefined}>${name}</a>`)}</nav>`;
