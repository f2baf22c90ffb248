// The playground: ask a model, watch the answer come, see what it cost.
import { api } from "../../lib/api.js";
import { html, useEffect, useRef, useState } from "../../lib/html.js";
import { count, difference, exact, placesOf, usd } from "../../lib/money.js";
import { useResource } from "../../lib/resource.js";
import { at, setQuery } from "../../lib/router.js";
import { chatSnippets } from "../../lib/snippets.js";
import { Button, Card, CopyButton, LinkButton, Notice, Problem, Skeleton } from "../../ui/basics.js";
import { CodeTabs } from "../../ui/code.js";
import { Dialog } from "../../ui/dialog.js";
import { Field } from "../../ui/form.js";
import { balanceChanged, useShared } from "../../ui/shell.js";
import { View } from "../../ui/view.js";
import { exampleModel } from "../key_secret.js";
import { KEY_BUDGET, streamChat } from "../playground_call.js";

const IDLE = { phase: "idle", text: "", error: null, firstMs: null, requestId: null, result: null, cost: null };
// The usage row is written after the last byte; it is asked for a few times.
const ROW_TRIES = 6;
const ROW_WAIT_MS = 700;

export default function Playground({ query: search }) {
  const models = useResource("/api/models");
  const [system, setSystem] = useState("");
  const [user, setUser] = useState("");
  const [temperature, setTemperature] = useState("");
  const [maxTokens, setMaxTokens] = useState("1024");
  const [problems, setProblems] = useState({});
  const [code, setCode] = useState(false);
  const chat = models.data?.data.filter((model) => model.kind === "chat") || [];
  const model = search.get("model") || exampleModel(models.data?.data || []);
  const call = useCall();
  const parameters = {
    ...(temperature.trim() && { temperature: Number(temperature) }),
    ...(maxTokens.trim() && { max_tokens: Number(maxTokens) }),
  };
  const messages = [...(system.trim() ? [{ role: "system", content: system }] : []), { role: "user", content: user }];
  const options = chat.map((one) => [one.id, one.name]);
  if (!options.some(([id]) => id === model)) options.unshift([model, model]);

  const send = (event) => {
    event?.preventDefault();
    const found = {
      user: user.trim() ? "" : "Write what you want to ask.",
      temperature: temperature.trim() && !(Number(temperature) >= 0 && Number(temperature) <= 2) ? "From 0 to 2." : "",
      maxTokens: maxTokens.trim() && !/^[1-9]\d*$/.test(maxTokens.trim()) ? "A whole number." : "",
    };
    setProblems(found);
    if (!Object.values(found).some(Boolean)) call.start({ model, ...parameters, messages });
  };
  // The two buttons have keys: one element that turned from Stop into Send under a click would send.
  const keys = (event) => { if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) send(); };
  return html`<${View} title="Playground" lead="Runs on a key made for this session, at the usual prices."
    actions=${html`<${Button} onClick=${() => setCode(true)}>Get code</${Button}>`}>
    <div class="playground"><form class="card" onSubmit=${send} onKeyDown=${keys} novalidate><div class="body stack">
        <${Field} label="Model" type="select" options=${options} value=${model} onInput=${(value) => setQuery({ model: value }, { replace: true })} />
        <${Field} label="System message (optional)" type="textarea" rows="2" value=${system} onInput=${setSystem} />
        <${Field} label="Message" type="textarea" rows="6" value=${user} error=${problems.user} onInput=${setUser} hint="Ctrl + Enter sends." />
        <div class="two"><${Field} label="Temperature" inputmode="decimal" placeholder="Default" value=${temperature} error=${problems.temperature} onInput=${setTemperature} />
          <${Field} label="Longest answer, tokens" inputmode="numeric" value=${maxTokens} error=${problems.maxTokens} onInput=${setMaxTokens} /></div>
        <div class="row">${call.state.phase === "running"
          ? html`<${Button} key="stop" kind="danger" icon="stop" onClick=${call.stop}>Stop</${Button}>`
          : html`<${Button} key="send" type="submit" kind="primary">Send</${Button}>`}</div></div></form>
      <${Answer} state=${call.state} retry=${send} /></div>
    ${code && html`<${Dialog} title="The same call from your program" wide onClose=${() => setCode(false)}>
      <${CodeTabs} snippets=${chatSnippets({ model, parameters: { ...parameters, stream: true }, messages: user.trim() ? messages : [{ role: "user", content: "hello MultiConnection" }] })} /></${Dialog}>`}</${View}>`;
}

function useCall() {
  const [state, setState] = useState(IDLE);
  const { account } = useShared();
  const running = useRef(null);
  const change = (part) => setState((old) => ({ ...old, ...(typeof part === "function" ? part(old) : part) }));
  useEffect(() => () => running.current?.abort(), []);

  const settle = async (requestId, abort, error) => {
    // Refused for want of money: there is no row to wait for.
    if (error?.status === 402) return balanceChanged();
    const row = requestId && (await rowOf(requestId));
    if (row && running.current === abort) change({ cost: row.cost });
    if (!account.data.first_run.has_call) account.reload();
    return balanceChanged();
  };
  const start = async (body) => {
    running.current?.abort();
    const abort = (running.current = new AbortController());
    const mine = (part) => running.current === abort && change(part);
    let id = null;
    let failed = null;
    setState({ ...IDLE, phase: "running" });
    try {
      const result = await streamChat(body, {
        signal: abort.signal,
        onRequest: (requestId) => { id = requestId; mine({ requestId }); },
        onFirst: (firstMs) => mine({ firstMs }),
        onText: (delta) => mine((old) => ({ text: old.text + delta })),
      });
      mine({ phase: "done", result });
    } catch (error) {
      failed = error;
      mine(error.name === "AbortError" ? { phase: "stopped" } : { phase: "failed", error });
    }
    await settle(id, abort, failed);
  };
  return { state, start, stop: () => running.current?.abort() };
}

async function rowOf(requestId) {
  for (let n = 0; n < ROW_TRIES; n += 1) {
    try {
      return await api.get(`/api/usage/${requestId}`);
    } catch (error) {
      if (error.status !== 404) return null;
      await new Promise((resolve) => setTimeout(resolve, ROW_WAIT_MS));
    }
  }
  return null;
}

function Answer({ state, retry }) {
  const words = { idle: "", running: "The answer is coming.", done: "The answer is complete.", stopped: "Stopped.", failed: "" }[state.phase];
  return html`<section class="card answer" aria-labelledby="answer"><header><h2 id="answer">Answer</h2>
      <div class="row"><span class="small muted" role="status">${words}</span>${state.text && state.phase !== "running" && html`<${CopyButton} text=${state.text} aria-label="Copy the answer" />`}</div></header>
    <div class="body">${state.text ? html`<div class="answer-text" tabindex="0" role="group" aria-label="Answer" aria-busy=${state.phase === "running" ? "true" : "false"}>${state.text}</div>`
      : state.phase === "running" ? html`<${Skeleton} lines=${3} />`
        : state.phase === "idle" && html`<p class="muted">The answer appears here as it is made, with its tokens, its cost and its request id.</p>`}
      ${state.error?.status === 402 ? html`<${Unaffordable} details=${state.error.details} retry=${retry} />`
        : html`<${Problem} error=${state.error} what="The call failed." retry=${retry} />`}</div>
    <footer><dl class="answer-facts">
      <div><dt>Tokens in</dt><dd class="num">${state.result?.usage ? count(state.result.usage.prompt_tokens) : "—"}</dd></div>
      <div><dt>Tokens out</dt><dd class="num">${state.result?.usage ? count(state.result.usage.completion_tokens) : "—"}</dd></div>
      <div><dt>First token</dt><dd class="num">${state.firstMs ? `${count(Math.round(state.firstMs))} ms` : "—"}</dd></div>
      <div><dt>Total</dt><dd class="num">${state.result ? `${count(Math.round(state.result.ms))} ms` : "—"}</dd></div>
      <div><dt>Cost</dt><dd class="num">${state.cost ? exact(state.cost) : "—"}</dd></div>
      <div><dt>Request</dt><dd>${state.requestId ? html`<${Request} id=${state.requestId} hasRow=${state.phase !== "failed" || state.cost !== null} />` : "—"}</dd></div></dl></footer></section>`;
}

// A call that was refused has no row to open.
const Request = ({ id, hasRow }) => (hasRow ? html`<a href=${at(`/usage?call=${id}`)}><code>${id}</code></a>` : html`<code>${id}</code>`);

// In the words of this page; the difference is shown too, so the two figures cannot look alike.
function Unaffordable({ details: { reason, available, required, affordable_max_tokens: tokens }, retry }) {
  const places = placesOf([], [[required, [available, difference(required, available)]]]);
  const ofKey = reason === KEY_BUDGET;
  return html`<${Notice} tone="bad" title=${ofKey ? "More than is left for this session" : "Your balance is too low for this call"} alert>
    <p>This call can cost up to ${usd(required, places)}, and ${usd(available, places)} ${ofKey ? "is left of the budget of this session’s key" : "is available"}.
      ${tokens > 0 && html` A “Longest answer” of up to ${count(tokens)} tokens can be paid.`}</p>
    <p class="row">${ofKey ? html`<${Button} small onClick=${retry}>Try with a new key</${Button}>`
      : html`<${LinkButton} small kind="primary" href=${at("/billing/recharge")}>Add funds</${LinkButton}>`}</p></${Notice}>`;
}
