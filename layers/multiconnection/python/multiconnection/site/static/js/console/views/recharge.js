// A recharge in three steps: amount, method, check. The order's own page has the rest.
import { api } from "../../lib/api.js";
import { html, useEffect, useRef } from "../../lib/html.js";
import { amountProblem, exact, inCurrency, whole } from "../../lib/money.js";
import { randomToken, useResource } from "../../lib/resource.js";
import { at, navigate, setQuery } from "../../lib/router.js";
import { Button, Card, Facts, Failure, LinkButton, Problem, Skeleton } from "../../ui/basics.js";
import { Field, useForm } from "../../ui/form.js";
import { View } from "../../ui/view.js";
import { METHODS, rateText, worth } from "../orders.js";

const STEPS = [["amount", "Amount"], ["method", "Method"], ["check", "Check"]];
const HINTS = { bank_transfer: "You transfer the amount with the order's reference, and send the receipt.", enterprise_contract: "For customers with a signed contract; an administrator confirms it." };

export default function Recharge({ query: search }) {
  const options = useResource("/api/orders/options");
  return html`<${View} title="Add funds" back=${[at("/billing"), "Billing"]}>
    <div class="narrow-view">${options.error ? html`<${Problem} error=${options.error} what="The options could not be loaded." retry=${options.reload} />`
      : options.data ? html`<${Wizard} options=${options.data} search=${search} />`
        : html`<section class="card"><div class="body"><${Skeleton} height="320px" /></div></section>`}</div></${View}>`;
}

function Wizard({ options, search }) {
  // One token for one intention: a double click or a retry makes one order.
  const token = useRef(randomToken());
  const form = useForm(
    { amount: "", currency: options.currencies[0].code, method: options.methods[0], note: "" },
    null,
    async (values) => {
      const order = await api.post("/api/orders", {
        amount: values.amount.trim(), currency: values.currency, method: values.method,
        ...(values.note.trim() && { note: values.note.trim() }), client_token: token.current,
      });
      navigate(at(`/billing/orders/${order.id}`), { replace: true });
    },
  );
  const { values } = form;
  const problem = amountError(values, options);
  const asked = STEPS.findIndex(([name]) => name === search.get("step"));
  const step = problem ? 0 : Math.max(asked, 0);
  const heading = useRef(null);
  const shown = useRef(step);
  useEffect(() => {
    if (shown.current !== step) heading.current?.focus();
    shown.current = step;
  }, [step]);
  // A refusal names a field of an earlier step.
  useEffect(() => { if (form.field("amount").error && step) setQuery({ step: null }); }, [form.field("amount").error]);

  const next = (event) => {
    event.preventDefault();
    if (problem) form.showErrors({ amount: problem });
    else if (step < STEPS.length - 1) setQuery({ step: STEPS[step + 1][0] });
    else form.submit();
  };
  const rate = rateOf(values.currency, options);
  return html`<${Card}><form class="stack" onSubmit=${next} novalidate>
    <ol class="steps-bar" aria-label="Steps">${STEPS.map(([name, label], n) => html`<li key=${name} aria-current=${n === step ? "step" : undefined} class=${n < step ? "done" : ""}>${label}</li>`)}</ol>
    <h2 tabindex="-1" ref=${heading}>${["How much?", "How do you pay?", "Is this right?"][step]}</h2>
    ${step === 0 && html`<${Amount} form=${form} options=${options} rate=${rate} />`}
    ${step === 1 && html`<fieldset class="stack tight"><legend>Method</legend>${options.methods.map((method) => html`<label class="option" key=${method}>
        <input type="radio" name="method" value=${method} checked=${values.method === method} onChange=${() => form.field("method").onInput(method)} />
        <span><strong>${METHODS[method] || method}</strong><span class="muted small">${HINTS[method]}</span></span></label>`)}</fieldset>
      <${Field} label="Note for the administrator (optional)" type="textarea" rows="2" maxlength="500" ...${form.field("note")} />`}
    ${step === 2 && html`<${Facts} items=${[
      ["Amount", html`<strong class="num">${inCurrency(values.amount, values.currency)}</strong>`],
      ["Credited", html`<span class="num">${exact(worth(values.amount, rate))}</span>`],
      values.currency !== "USD" && ["Rate", rateText(values.currency, rate)],
      ["Method", METHODS[values.method] || values.method],
      ["Paid to", options.legal_entity],
      values.note.trim() && ["Note", values.note],
    ]} /><p class="small muted">The order gets a reference. Until it is approved nothing is credited; you can cancel it at any time before.</p>`}
    <${Failure} safe error=${form.error} what="The order was not created." />
    <div class="row between">${step ? html`<${Button} onClick=${() => setQuery({ step: STEPS[step - 1][0] })}>Back</${Button}>` : html`<${LinkButton} href=${at("/billing")}>Cancel</${LinkButton}>`}
      <${Button} type="submit" kind="primary" busy=${form.busy}>${step === 2 ? "Submit the order" : "Continue"}</${Button}></div></form></${Card}>`;
}

function Amount({ form, options, rate }) {
  const currency = form.values.currency;
  return html`<div class="amount"><${Field} label="Amount" inputmode="decimal" autocomplete="off" placeholder="100.00" maxlength="14"
      hint=${`From ${whole(options.amount_min)} to ${whole(options.amount_max)}${currency === "USD" ? "" : ", in USD"}.`} ...${form.field("amount")} />
    <${Field} label="Currency" type="select" options=${options.currencies.map(({ code }) => [code, code])} ...${form.field("currency")} /></div>
    ${currency !== "USD" && html`<p class="small muted num">${rateText(currency, rate)}${amountProblem(form.values.amount) ? "" : `, credited ${whole(worth(form.values.amount, rate))}`}</p>`}
    <div class="row" role="group" aria-label="Usual amounts">${["50.00", "100.00", "250.00", "1000.00"].filter((amount) => !amountError({ amount, currency }, options)).map((amount) => html`<${Button} small key=${amount}
      onClick=${() => form.field("amount").onInput(amount)}>${inCurrency(amount, currency)}</${Button}>`)}</div>`;
}

const rateOf = (code, options) => options.currencies.find((currency) => currency.code === code).usd_per_unit;

// The bounds are in USD, of what would be credited.
function amountError({ amount, currency }, options) {
  const problem = amountProblem(amount);
  if (problem) return problem;
  return amountProblem(worth(amount.trim(), rateOf(currency, options)), { places: 9, min: options.amount_min, max: options.amount_max });
}
