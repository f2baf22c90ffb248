// Dialogs and drawers are the browser's own <dialog>: focus stays inside, Escape closes, focus returns.
import { html, useEffect, useId, useLayoutEffect, useRef, useState } from "../lib/html.js";
import { useAction } from "../lib/resource.js";
import { Button, Failure } from "./basics.js";
import { Field } from "./form.js";

// `drawer` slides in at the side. `locked` refuses Escape: what is shown is shown once.
export function Dialog({ title, onClose, drawer, locked, children, footer, wide }) {
  const id = useId();
  const ref = useRef(null);
  useLayoutEffect(() => {
    const dialog = ref.current;
    dialog.showModal();
    // Everything outside is inert until it is closed: only then can the focus go back, and the browser takes it there.
    return () => dialog.close();
  }, []);
  const outside = (event) => event.target === ref.current && !locked && onClose();
  return html`<dialog ref=${ref} class=${`${drawer ? "drawer" : ""} ${wide ? "wide" : ""}`} aria-labelledby=${id}
    onCancel=${(event) => { event.preventDefault(); if (!locked) onClose(); }} onMouseDown=${outside}>
    <header><h2 id=${id} tabindex="-1">${title}</h2>
      ${!locked && html`<${Button} kind="quiet" icon="close" class="icon" aria-label="Close" onClick=${onClose} />`}</header>
    <div class="dialog-body">${children}</div>
    ${footer && html`<footer>${footer}</footer>`}</dialog>`;
}

// Names the object; `typed` has to be typed where nothing brings it back; `keep` is what not doing it is called.
export function Confirm({ title, children, action, label, keep = "Cancel", danger = true, typed, onClose, onDone }) {
  const [text, setText] = useState("");
  const { busy, error, run } = useAction(action);
  const ready = !typed || text.trim() === typed;
  const go = async () => { if (ready && (await run())) onDone(); };
  return html`<${Dialog} title=${title} onClose=${onClose}
    footer=${html`<${Button} onClick=${onClose}>${keep}</${Button}>
      <${Button} kind=${danger ? "danger" : "primary"} busy=${busy} disabled=${!ready} onClick=${go}>${label}</${Button}>`}>
    <div class="stack">${children}
      ${typed && html`<${Field} label=${`Type “${typed}” to confirm`} value=${text} onInput=${setText} autocomplete="off" />`}
      <${Failure} error=${error} what="Nothing was changed." /></div></${Dialog}>`;
}

// A menu of actions behind one button. items: [{label, onClick, danger}]
export function Menu({ label, items }) {
  const [open, setOpen] = useState(false);
  const ref = useRef(null);
  useEffect(() => {
    if (!open) return undefined;
    ref.current.querySelector("[role=menuitem]")?.focus();
    const close = (event) => { if (!ref.current?.contains(event.target)) setOpen(false); };
    addEventListener("pointerdown", close);
    return () => removeEventListener("pointerdown", close);
  }, [open]);
  const keys = (event) => {
    const entries = [...ref.current.querySelectorAll("[role=menuitem]")];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape" || event.key === "Tab") {
      setOpen(false);
      if (event.key === "Escape") ref.current.querySelector("button").focus();
    } else if (step) {
      event.preventDefault();
      entries[(entries.indexOf(document.activeElement) + step + entries.length) % entries.length].focus();
    }
  };
  const choose = (item) => { setOpen(false); ref.current.querySelector("button").focus(); item.onClick(); };
  return html`<div class="menu" ref=${ref} onKeyDown=${open ? keys : undefined}>
    <button type="button" class="btn quiet small" aria-haspopup="menu" aria-expanded=${open ? "true" : "false"} aria-label=${label}
      onClick=${() => setOpen(!open)}>•••</button>
    ${open && html`<div class="menu-list" role="menu">${items.filter(Boolean).map((item) => html`<button type="button" role="menuitem" key=${item.label}
      class=${item.danger ? "danger" : ""} onClick=${() => choose(item)}>${item.label}</button>`)}</div>`}</div>`;
}
