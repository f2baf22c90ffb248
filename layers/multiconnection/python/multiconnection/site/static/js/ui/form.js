// Fields with label, hint and error; a form that checks, sends, and puts a refusal beside its field.
import { html, useId, useRef, useState } from "../lib/html.js";

// type: any input type, "textarea" or "select" with options [[value, label], …]; before/after: a unit beside the input.
export function Field({ label, hint, error, type = "text", options, before, after, value, onInput, inputRef, ...rest }) {
  const id = useId();
  const described = [hint && `${id}-h`, error && `${id}-e`].filter(Boolean).join(" ") || undefined;
  const props = {
    id, value, ref: inputRef, "aria-describedby": described, "aria-invalid": error ? "true" : undefined,
    onInput: (event) => onInput(event.target.value), ...rest,
  };
  return html`<div class="field"><label for=${id}>${label}</label>
    ${control(type, props, options, before, after)}
    ${hint && html`<span class="hint" id="${id}-h">${hint}</span>`}
    ${error && html`<span class="error" id="${id}-e" role="alert">${error}</span>`}</div>`;
}

function control(type, props, options, before, after) {
  if (type === "textarea") return html`<textarea ...${props}></textarea>`;
  if (type === "select") {
    return html`<select ...${props}>${options.map(([value, label]) =>
      html`<option key=${value} value=${value} selected=${value === props.value}>${label}</option>`)}</select>`;
  }
  const input = html`<input type=${type} ...${props} />`;
  if (!before && !after) return input;
  return html`<div class="affix">${before && html`<span aria-hidden="true">${before}</span>`}${input}
    ${after && html`<span class="after" aria-hidden="true">${after}</span>`}</div>`;
}

export const Check = ({ label, checked, onChange, ...rest }) => html`<label class="check">
  <input type="checkbox" checked=${checked} onChange=${(event) => onChange(event.target.checked)} ...${rest} /> <span>${label}</span></label>`;

// `check(values)` gives {name: problem}; `send(values)` may throw an ApiError, whose `param` finds its field.
export function useForm(initial, check, send) {
  const [values, setValues] = useState(initial);
  const [errors, setErrors] = useState({});
  const [state, setState] = useState({ busy: false, error: null });
  const refs = useRef({});
  const running = useRef(false);

  const field = (name) => ({
    name, value: values[name], error: errors[name],
    inputRef: (element) => { refs.current[name] = element; },
    onInput: (value) => { setValues((old) => ({ ...old, [name]: value })); setErrors((old) => ({ ...old, [name]: "" })); },
  });
  const showErrors = (found) => {
    setErrors(found);
    const first = Object.keys(found).find((name) => found[name]);
    if (first) refs.current[first]?.focus();
    return Boolean(first);
  };
  const submit = async (event) => {
    event?.preventDefault();
    if (running.current || showErrors(check ? check(values) : {})) return;
    running.current = true;
    setState({ busy: true, error: null });
    try {
      await send(values);
      setState({ busy: false, error: null });
    } catch (error) {
      const named = error.status === 400 && error.param in values;
      if (named) showErrors({ [error.param]: error.message });
      setState({ busy: false, error: named ? null : error });
    } finally {
      running.current = false;
    }
  };
  return { values, setValues, field, submit, showErrors, ...state };
}
