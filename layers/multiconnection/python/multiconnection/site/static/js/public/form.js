// Sign in, sign up, verify, forgot, reset: one form each, problems beside the field they concern.
import { api } from "../lib/api.js";
import { base, url } from "../lib/base.js";
import { secondsOf } from "../lib/time.js";

const params = new URLSearchParams(location.search);
const EMAIL_KEY = "mc_email";
let form, button, problem, done;
let challenge = null;
let shown = location.pathname;

const FIELD_OF = { email: "email", password: passwordField, code: totpField, name: "name" };
const FIELD_CODES = { password_too_weak: passwordField, code_invalid: totpField };

const value = (name) => form.elements[name]?.value.trim() ?? "";
function totpField() { return challenge ? "totp" : "code"; }
function passwordField() { return challenge ? "new" : "password"; }

const SUBMIT = {
  "sign-in": signIn,
  "sign-up": async () => {
    const password = form.password.value;
    await api.post("/api/auth/sign-up", { email: value("email"), password, name: value("name") || undefined });
    await turnToVerify(password);
  },
  verify: async () => {
    await api.post("/api/auth/confirm", { email: value("email"), code: value("code"), password: form.password.value });
    go("/sign-in?confirmed=1");
  },
  forgot: async () => {
    await api.post("/api/auth/forgot", { email: value("email") });
    go("/reset");
  },
  reset: async () => {
    await api.post("/api/auth/reset", { email: value("email"), code: value("code"), password: form.password.value });
    go("/sign-in?reset=1");
  },
};

// A right password may not be all: an invited person chooses a new one, a second factor asks for a code.
async function signIn() {
  const answer = challenge?.kind === "totp"
    ? await api.post("/api/auth/totp", { session: challenge.session, code: value("totp") })
    : challenge?.kind === "new_password"
      ? await api.post("/api/auth/new-password", { session: challenge.session, password: form.new.value })
      : await api.post("/api/auth/sign-in", { email: value("email"), password: form.password.value });
  if (answer.user) return location.assign(target());
  challenge = { kind: answer.status.replace(/_required$/, ""), session: answer.session };
  const [section, input] = challenge.kind === "totp" ? ["[data-totp]", form.totp] : ["[data-new-password]", form.new];
  document.querySelector(section).hidden = false;
  input.required = true;
  input.focus();
}

// A challenge lives for minutes; what is sent next is the password again.
function beginAgain() {
  challenge = null;
  for (const [section, input] of [["[data-totp]", form.totp], ["[data-new-password]", form.new]]) {
    document.querySelector(section).hidden = true;
    input.required = false;
    input.value = "";
  }
}

// Whoever has the code sets the password: it is sent with it, from here, so that nobody has to type it twice and
// nothing has to keep it. After a reload the form asks for it.
async function turnToVerify(password) {
  keepEmail();
  const answer = await fetch(url("/verify")).catch(() => null);
  if (!answer?.ok) return go("/verify");
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  document.querySelector("main").replaceWith(page.querySelector("main"));
  document.title = page.title;
  history.pushState(null, "", url("/verify"));
  shown = location.pathname;
  begin();
  form.password.value = password;
  form.code.focus();
}

// Only a path of our own: never another host.
function target() {
  const next = params.get("next") || "";
  return /^\/(console|admin)(\/|\?|$)/.test(next.slice(base.length)) && next.startsWith(base) ? next : url("/console");
}

function keepEmail() {
  if (value("email")) sessionStorage.setItem(EMAIL_KEY, value("email"));
}

function go(path) {
  keepEmail();
  location.assign(url(path));
}

function check() {
  let first = null;
  for (const input of form.querySelectorAll("input:not([data-show-password])")) {
    const text = !input.required || input.value.trim() ? (input.validity.typeMismatch ? "This is no e-mail address." : "") : "This is needed.";
    mark(input, text);
    if (text && !first) first = input;
  }
  first?.focus();
  return !first;
}

function mark(input, text) {
  input.toggleAttribute("aria-invalid", Boolean(text));
  if (text) input.setAttribute("aria-invalid", "true");
  document.getElementById(`${input.id}-error`).textContent = text;
}

function show(error) {
  if (error.code === "email_not_confirmed") return go("/verify");
  const named = FIELD_CODES[error.code] ?? FIELD_OF[error.param];
  const input = form.elements[typeof named === "function" ? named() : named];
  if (input && error.status === 400) {
    mark(input, error.message);
    input.focus();
    return;
  }
  const wait = error.retryAfter ? ` Try again in ${secondsOf(error.retryAfter)}.` : "";
  const id = error.requestId ? ` (request ${error.requestId})` : "";
  problem.textContent = error.message + wait + id;
  problem.hidden = false;
}

async function run(action) {
  problem.hidden = true;
  button.disabled = true;
  try {
    await action();
  } catch (error) {
    if (challenge && error.code === "sign_in_failed") beginAgain();
    show(error);
  } finally {
    button.disabled = false;
  }
}

function say(text) {
  done.textContent = text;
  done.hidden = false;
}

function begin() {
  form = document.querySelector("[data-form]");
  button = form.querySelector("[type=submit]");
  problem = document.querySelector("[data-problem]");
  done = document.querySelector("[data-done]");
  if (form.elements.email && !form.email.value) form.email.value = params.get("email") || sessionStorage.getItem(EMAIL_KEY) || "";
  if (params.has("code") && form.elements.code) form.code.value = params.get("code");

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (check()) run(SUBMIT[form.dataset.form]);
  });

  document.querySelector("[data-resend]")?.addEventListener("click", () => run(async () => {
    if (!value("email")) return mark(form.email, "This is needed.");
    await api.post("/api/auth/resend", { email: value("email") });
    say("If this address waits for confirmation, another code is on its way.");
  }));

  form.querySelector("[data-show-password]")?.addEventListener("change", ({ target: { checked } }) => {
    for (const input of form.querySelectorAll("[autocomplete$=password]")) input.type = checked ? "text" : "password";
  });
}

begin();
addEventListener("popstate", () => { if (location.pathname !== shown) location.reload(); });
if (params.has("confirmed")) say("Your address is confirmed. Sign in to begin.");
if (params.has("reset")) say("Your password is set. Sign in with it.");
if (params.has("ended")) say("Your session has ended. Sign in to go on where you were.");
