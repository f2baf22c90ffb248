// Accounts: found by id or by the beginning of an e-mail address.
import { query } from "../../lib/api.js";
import { html, useEffect, useState } from "../../lib/html.js";
import { placesOf } from "../../lib/money.js";
import { useResource } from "../../lib/resource.js";
import { navigate, setQuery, withQuery } from "../../lib/router.js";
import { date } from "../../lib/time.js";
import { Button, Card, Empty, LinkButton, Money } from "../../ui/basics.js";
import { Field } from "../../ui/form.js";
import { Pager, Table } from "../../ui/table.js";
import { View } from "../../ui/view.js";
import { AccountTabs } from "../account_tabs.js";
import { AWAITS, AccountLink, AccountStatus, accountHref } from "../parts.js";

const columnsOf = (places) => [
  { key: "email", label: "Owner", head: true, width: "34%", render: (account) => html`<${AccountLink} id=${account.id} email=${account.email} />${account.email ? html`<code class="sub break">${account.id}</code>` : html`<span class="sub">Has no e-mail address yet</span>`}` },
  { key: "name", label: "Name", width: "16%", render: (account) => html`<span class="break">${account.name || "—"}</span>` },
  { key: "status", label: "Status", width: "12%", render: (account) => html`<${AccountStatus} status=${account.status} />${AWAITS[account.test_credit] && html`<span class="sub">Waits for its test credit</span>`}` },
  { key: "available", label: "Available", num: true, render: (account) => html`<${Money} quiet amount=${account.available} places=${places} />` },
  { key: "in_flight", label: "In flight", num: true, render: (account) => html`<${Money} quiet amount=${account.in_flight} places=${places} />` },
  { key: "created", label: "Since", width: "13%", render: (account) => date(account.created) },
];

export default function Accounts({ query: search }) {
  const wanted = search.get("query") || "";
  const cursor = search.get("cursor") || "";
  const awaiting = search.get("awaiting") === "true";
  const accounts = useResource(query("/api/admin/accounts", { query: wanted, cursor, awaiting: awaiting ? "true" : "" }));
  const places = placesOf(accounts.data?.data.flatMap((account) => [account.available, account.in_flight]) || []);
  return html`<${View} title="Accounts"><${AccountTabs} current=${awaiting ? "awaiting" : "accounts"} />
    ${!awaiting && html`<${Search} wanted=${wanted} />`}
    <${Card} flush><${Table} caption="Accounts" columns=${columnsOf(places)} resource=${accounts} onOpen=${(account) => navigate(accountHref(account.id))}
      empty=${awaiting ? html`<${Empty} title="Nobody waits">No account on this page waits for a test credit.</${Empty}>` : wanted ? html`<${Empty} title="Nobody found" action=${html`<${LinkButton} href=${withQuery({ query: null, cursor: null })}>All accounts</${LinkButton}>`}>
          No account has this id, and no e-mail address begins with “${wanted}”. Who has never signed in has no account.</${Empty}>`
        : html`<${Empty} title="No accounts yet">An account is opened when somebody signs in for the first time.</${Empty}>`} />
      <${Pager} resource=${accounts} cursor=${cursor} /></${Card}></${View}>`;
}

function Search({ wanted }) {
  const [text, setText] = useState(wanted);
  useEffect(() => setText(wanted), [wanted]);
  const go = (event) => { event.preventDefault(); setQuery({ query: text.trim(), cursor: null }); };
  return html`<form class="filter-row" role="search" aria-label="Find an account" onSubmit=${go}>
    <${Field} label="E-mail address or account id" type="search" value=${text} onInput=${setText} maxlength="254" autocomplete="off" spellcheck="false" placeholder="anna@" />
    <${Button} type="submit">Search</${Button}>
    <${Button} kind="quiet" disabled=${!wanted} onClick=${() => setQuery({ query: null, cursor: null })}>Clear</${Button}></form>`;
}
