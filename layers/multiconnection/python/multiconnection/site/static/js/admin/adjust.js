// Giving or taking money by hand. One opening of the dialog is one adjustment, however often it is sent.
import { api } from "../lib/api.js";
import { html, useRef } from "../lib/html.js";
import { amountProblem, nano, sum, whole } from "../lib/money.js";
import { randomToken } from "../lib/resource.js";
import { Button, Facts, Failure } from "../ui/basics.js";
import { Dialog } from "../ui/dialog.js";
import { Field, useForm } from "../ui/form.js";

const PLACES = 9;
const AMOUNT_MAX = "999999999.999999999";
const DIRECTIONS = [["", "Give to the account"], ["-", "Take from the account"]];

export function Adjust({ account, onClose, onDone }) {
  const token = useRef(randomToken());
  const check = (values) => ({ amount: problem(values, account), reason: values.reason.trim() ? "" : "Say why: the owner and the audit log keep it." });
  const send = async (values) => {
    const body = { amount: values.sign + values.amount.trim(), reason: values.reason.trim(), client_token: token.current };
    try {
      onDone((await api.post(`/api/admin/accounts/${encodeURIComponent(account.id)}/adjust`, body)).adjustment);
    } catch (error) {
      // Refused for good, with nothing moved: what is sent next is another adjustment.
      if (error.code === "adjustment_refused") token.current = randomToken();
      throw error;
    }
  };
  const form = useForm({ sign: "", amount: "", reason: "" }, check, send);
  const { values } = form;
  const known = !amountProblem(values.amount, { places: PLACES, max: AMOUNT_MAX });
  const after = known ? sum(account.available, values.sign + values.amount.trim()) : null;
  return html`<${Dialog} title="Adjust the balance" onClose=${onClose}
    footer=${html`<${Button} onClick=${onClose}>Cancel</${Button}><${Button} kind="primary" busy=${form.busy} onClick=${form.submit}>Adjust</${Button}>`}>
    <form class="stack" onSubmit=${form.submit} novalidate>
      <p>Of <strong class="break">${account.email || account.id}</strong>. A large amount waits for a second administrator.</p>
      <${Field} label="Direction" type="select" options=${DIRECTIONS} ...${form.field("sign")} />
      <${Field} label="Amount" before="$" inputmode="decimal" autocomplete="off" ...${form.field("amount")} />
      <${Field} label="Reason" type="textarea" rows="2" maxlength="500" hint="The owner reads it beside the credit." ...${form.field("reason")} />
      <${Facts} items=${[["Available now", html`<span class="num">${whole(account.available)}</span>`],
        ["Available then", html`<span class="num" aria-live="polite">${after === null ? "—" : whole(after)}</span>`]]} />
      <${Failure} error=${form.error} what="The balance was not adjusted." />
      <button type="submit" hidden></button></form></${Dialog}>`;
}

function problem({ sign, amount }, account) {
  const wrong = amountProblem(amount, { places: PLACES, max: AMOUNT_MAX });
  if (wrong || !sign) return wrong;
  return nano(amount.trim()) > nano(account.available) ? `Only ${whole(account.available)} are available.` : "";
}
