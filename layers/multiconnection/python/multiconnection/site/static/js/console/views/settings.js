// Profile, password, one-time codes, sessions.
import { api } from "../../lib/api.js";
import { url } from "../../lib/base.js";
import { html, useState } from "../../lib/html.js";
import { count } from "../../lib/money.js";
import { useAction, useResource } from "../../lib/resource.js";
import { date } from "../../lib/time.js";
import { Badge, Button, Card, CopyLine, Facts, Failure, Notice, Problem, Skeleton } from "../../ui/basics.js";
import { Confirm } from "../../ui/dialog.js";
import { Field, useForm } from "../../ui/form.js";
import { useShared } from "../../ui/shell.js";
import { View } from "../../ui/view.js";

const PASSWORD_MIN = 10;

export default function Settings() {
  const { account } = useShared();
  const session = useResource("/api/auth/session");
  return html`<${View} title="Settings"><div class="narrow-view stack">
    <${Profile} account=${account} /><${Password} /><${OneTimeCodes} session=${session} /><${Sessions} /></div></${View}>`;
}

const Saved = ({ show, children }) => html`<p role="status" class="small good-text">${show ? children : ""}</p>`;

function Profile({ account }) {
  const [saved, setSaved] = useState(false);
  const { data } = account;
  const form = useForm({ name: data.name }, (values) => ({ name: values.name.trim() ? "" : "Enter a name." }), async (values) => {
    account.set(await api.patch("/api/account", { name: values.name.trim() }));
    setSaved(true);
  });
  const limits = data.limits;
  return html`<${Card} title="Profile" id="profile"><form class="stack" onSubmit=${form.submit} novalidate>
    <${Field} label="Name" maxlength="100" autocomplete="name" ...${form.field("name")} />
    <${Facts} items=${[["E-mail", data.email], ["Account", html`<code>${data.account_id}</code>`], ["Since", date(data.created)],
      ["Limits", `${count(limits.requests_per_minute)} calls and ${count(limits.tokens_per_minute)} tokens a minute, ${count(limits.in_flight_max)} calls at once`]]} />
    <${Failure} error=${form.error} what="Nothing was saved." />
    <div class="row"><${Button} type="submit" busy=${form.busy}>Save</${Button}><${Saved} show=${saved}>Saved.</${Saved}></div></form></${Card}>`;
}

function Password() {
  const [saved, setSaved] = useState(false);
  const check = (values) => ({
    current: values.current ? "" : "Enter your current password.",
    new: values.new.length < PASSWORD_MIN ? `At least ${PASSWORD_MIN} characters.` : "",
  });
  const form = useForm({ current: "", new: "" }, check, async (values) => {
    try {
      await api.post("/api/auth/change-password", values);
    } catch (error) {
      if (error.code === "password_too_weak") error.param = "new";
      throw error;
    }
    form.setValues({ current: "", new: "" });
    setSaved(true);
  });
  return html`<${Card} title="Password" id="password"><form class="stack" onSubmit=${form.submit} novalidate>
    <${Field} label="Current password" type="password" autocomplete="current-password" ...${form.field("current")} />
    <${Field} label="New password" type="password" autocomplete="new-password" hint="10 to 256 characters, at least 5 of them different." ...${form.field("new")} />
    <${Failure} error=${form.error} what="The password was not changed." />
    <div class="row"><${Button} type="submit" busy=${form.busy}>Change the password</${Button}><${Saved} show=${saved}>The password is changed.</${Saved}></div></form></${Card}>`;
}

function OneTimeCodes({ session }) {
  const [setup, setSetup] = useState(null);
  const [removing, setRemoving] = useState(false);
  const begin = useAction(async () => setSetup(await api.post("/api/auth/totp/setup")));
  const enabled = session.data?.user.totp_enabled;
  const done = () => { setSetup(null); setRemoving(false); session.reload(); };
  return html`<${Card} title="One-time codes" id="totp" actions=${session.data && html`<${Badge} tone=${enabled ? "good" : ""}>${enabled ? "On" : "Off"}</${Badge}>`}>
    <div class="stack"><p class="muted">An app on your phone makes a code that is asked for when you sign in.</p>
      <${Problem} error=${session.error} what="The state could not be loaded." retry=${session.reload} />
      ${!session.data && !session.error && html`<${Skeleton} height="36px" width="160px" />`}
      <${Problem} error=${begin.error} what="The setup did not begin." />
      ${setup ? html`<${Enable} setup=${setup} onDone=${done} />`
        : removing ? html`<${Disable} onDone=${done} />`
          : session.data && html`<p>${enabled ? html`<${Button} kind="danger" onClick=${() => setRemoving(true)}>Switch off</${Button}>` : html`<${Button} busy=${begin.busy} onClick=${begin.run}>Set up</${Button}>`}</p>`}</div></${Card}>`;
}

function Enable({ setup, onDone }) {
  const form = useForm({ code: "" }, (values) => ({ code: /^\d{6}$/.test(values.code.trim()) ? "" : "The six digits that the app shows." }), async (values) => {
    await api.post("/api/auth/totp/enable", { code: values.code.trim() });
    onDone();
  });
  return html`<form class="stack" onSubmit=${form.submit} novalidate>
    <p>Enter this key in your authenticator app, or <a href=${setup.otpauth_url}>open it in an app on this device</a>.</p>
    <${CopyLine} text=${setup.secret} label="setup key" />
    <${Field} label="Code from the app" inputmode="numeric" autocomplete="one-time-code" maxlength="7" ...${form.field("code")} />
    <${Failure} error=${form.error} what="The code was not accepted." /><p><${Button} type="submit" kind="primary" busy=${form.busy}>Switch on</${Button}></p></form>`;
}

function Disable({ onDone }) {
  const check = ({ code, password }) => ({
    code: (code.trim() ? /^\d{6}$/.test(code.trim()) : password) ? "" : "The six digits that the app shows, or your password below.",
  });
  const form = useForm({ code: "", password: "" }, check, async ({ code, password }) => {
    await api.post("/api/auth/totp/disable", code.trim() ? { code: code.trim() } : { password });
    onDone();
  });
  return html`<form class="stack" onSubmit=${form.submit} novalidate>
    <${Field} label="Code from the app" inputmode="numeric" autocomplete="one-time-code" maxlength="7" ...${form.field("code")} />
    <${Field} label="Or your password" type="password" autocomplete="current-password" ...${form.field("password")} />
    <${Failure} error=${form.error} what="The codes are still on." /><p><${Button} type="submit" kind="danger" busy=${form.busy}>Switch off</${Button}></p></form>`;
}

function Sessions() {
  const [asking, setAsking] = useState(false);
  return html`<${Card} title="Sessions" id="sessions"><div class="stack"><${Notice}>Signing out everywhere ends this session as well. API keys go on working.</${Notice}>
    <p><${Button} kind="danger" onClick=${() => setAsking(true)}>Sign out everywhere</${Button}></p>
    ${asking && html`<${Confirm} title="Sign out everywhere?" label="Sign out everywhere" action=${() => api.post("/api/auth/sign-out-everywhere")}
      onClose=${() => setAsking(false)} onDone=${() => location.assign(url("/sign-in"))}><p>Every browser that is signed in to this account has to sign in again.</p></${Confirm}>`}</div></${Card}>`;
}
