// A chat call as curl, Python and JavaScript; with a key filled in where there is one to show.
import { apiBase } from "./base.js";

const VARIABLE = "MULTICONNECTION_API_KEY";

export function chatSnippets({ model, messages, parameters = {}, key }) {
  const body = { model, ...parameters, messages };
  return [["curl", curl(body, key)], ["Python", python(body, key)], ["JavaScript", javascript(body, key)]];
}

function curl(body, key) {
  const text = JSON.stringify(body, null, 2).replaceAll("'", "'\\''").replaceAll("\n", "\n  ");
  return `curl ${apiBase}/chat/completions \\\n  -H "Authorization: Bearer ${key || `$${VARIABLE}`}" \\\n  -H "Content-Type: application/json" \\\n  -d '${text}'`;
}

function python(body, key) {
  const secret = key ? JSON.stringify(key) : `os.environ["${VARIABLE}"]`;
  const members = Object.entries(body).map(([name, value]) => `    ${name}=${pythonValue(value)},`).join("\n");
  const show = body.stream
    ? 'for chunk in answer:\n    if chunk.choices:\n        print(chunk.choices[0].delta.content or "", end="")'
    : "print(answer.choices[0].message.content)";
  return `from openai import OpenAI\n${key ? "" : "import os\n"}\nclient = OpenAI(\n    api_key=${secret},\n    base_url="${apiBase}",\n)\n\nanswer = client.chat.completions.create(\n${members}\n)\n\n${show}`;
}

// JSON's true, false and null in Python; strings are left alone.
function pythonValue(value) {
  if (value === true) return "True";
  if (value === false) return "False";
  if (value === null) return "None";
  if (Array.isArray(value)) return `[${value.map(pythonValue).join(", ")}]`;
  if (typeof value === "object") {
    return `{${Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${pythonValue(item)}`).join(", ")}}`;
  }
  return JSON.stringify(value);
}

function javascript(body, key) {
  const secret = key ? JSON.stringify(key) : `process.env.${VARIABLE}`;
  const text = JSON.stringify(body, null, 2);
  const show = body.stream
    ? 'for await (const chunk of answer) {\n  process.stdout.write(chunk.choices[0]?.delta?.content || "");\n}'
    : "console.log(answer.choices[0].message.content);";
  return `import OpenAI from "openai";\n\nconst client = new OpenAI({\n  apiKey: ${secret},\n  baseURL: "${apiBase}",\n});\n\nconst answer = await client.chat.completions.create(${text});\n\n${show}`;
}
