// The people of a session: how far each is, what their times and checks say, and their labelling links.
// A link is shown once, when it is made; only a hash of it is kept.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, resultsParts } = Forklore;
  const { el } = dom;
  const { words, counted, bar, deed, hint, primary, Table, field, input, select } = resultsParts;
  const ROLES = [["annotator", "annotator"], ["adjudicator", "adjudicator"]];

  class SessionMembers {
    constructor(session) {
      this.session = session;
      this.shown = el("div", { class: "fl-rs-link", role: "status", hidden: true });
      this.table = el("div", {});
      this.form = el("div", {});
      this.root = el("section", { class: "fl-rs-wide" }, this.table, this.shown, this.form);
    }

    update() {
      const { overview, owner } = this.session;
      const held = this.table.contains(document.activeElement) ? document.activeElement.dataset.act : "";
      this.table.replaceChildren(new Table(this.columns(), { caption: `People (${format.count((overview.members || []).length)})`, rows: overview.members || [], say: this.session.say, empty: owner ? "Nobody yet. Add people by name: each gets a labelling link, or label the items yourself." : "Nobody yet." }).root, ...this.remarks());
      if (held) [...this.table.querySelectorAll("[data-act]")].find((node) => node.dataset.act === held)?.focus();
      if (!this.form.firstChild && owner) this.drawForm();
      if (!owner) this.form.replaceChildren();
    }

    columns() {
      const { overview, owner } = this.session;
      const checked = (overview.members || []).some((one) => one.checks?.of);
      const number = (label, name, title) => ({ label, number: true, title, value: (one) => one[name], cell: (one) => (one.role === "annotator" || one.done ? format.number(one[name], 3) : "") });
      const needed = overview.settings?.overlap ? 0 : overview.items;
      return [
        { label: "Person", value: (one) => one.name || one.me, heads: ["Pseudonym", "Name"], raw: (one) => [one.me, one.name || ""], cell: (one) => el("span", {}, el("span", { class: one.revoked ? "fl-rs-off" : "" }, el("b", { text: one.me }), " ", one.name && one.name !== one.me ? words(one.name) : null), one.revoked ? Forklore.resultsBadge("revoked") : null) },
        { label: "Role", value: (one) => one.role },
        { label: "Done", number: true, value: (one) => one.done, cell: (one) => el("span", { class: "fl-rs-done" }, format.count(one.done), bar(needed ? one.done / needed : one.done / Math.max(1, ...overview.members.map((other) => other.done)))) },
        number("Open", "open", "Items given out to them and not yet submitted"), number("Skipped", "skipped"), number("Flags", "flags"),
        { label: "Median time", number: true, heads: ["Median seconds"], title: "Per item, pauses left out", value: (one) => one.seconds, cell: (one) => (one.done ? format.seconds(one.seconds) : "") },
        { label: "Hasty", number: true, title: "Items under 2 seconds", value: (one) => one.hasty, cell: (one) => this.flagged(one.hasty, one.done) },
        { label: "Slow", number: true, title: "Items over five times the person's own median", value: (one) => one.slow, cell: (one) => this.flagged(one.slow, one.done) },
        ...(checked ? [{ label: "Checks", number: true, title: "Hidden items with a known answer: right of those seen", heads: ["Checks right", "Checks seen"], value: (one) => (one.checks?.of ? one.checks.right / one.checks.of : null), raw: (one) => [one.checks?.right ?? null, one.checks?.of ?? null], cell: (one) => (one.checks?.of ? `${one.checks.right} of ${one.checks.of}` : format.NA) }] : []),
        { label: "Last action", title: "When they last labelled, skipped or took something back", value: (one) => one.last || "", cell: (one) => el("span", { class: "fl-rs-when", text: one.last ? format.date(one.last) : "none yet" }) },
        ...(owner ? [{ label: "", fixed: true, heads: [], raw: () => [], value: () => null, cell: (one) => this.acts(one) }] : []),
      ];
    }

    flagged(n, done) {
      if (!done) return "";
      return n ? el("span", { class: "fl-rs-warn" }, el("span", { "aria-hidden": "true", text: "▲ " }), format.count(n)) : "0";
    }

    remarks() {
      const people = this.session.overview.members || [];
      const said = [];
      if (people.some((one) => one.hasty || one.slow)) said.push(hint("▲ marks items under 2 seconds and items that took over five times the person's own median. They are counted like all others; leave them out only for a reason of your own."));
      return said;
    }

    acts(one) {
      if (one.role === "owner") return el("span", { class: "fl-rs-soft", text: "" });
      const { say, uid } = this.session;
      const name = one.name || one.me;
      const change = async (changes, button, told) => {
        const answer = await deed(button, () => this.session.call("change_annotator", uid, one.uid, changes), say);
        if (!answer) return;
        this.session.take(answer.overview);
        if (answer.link) this.link(name, answer.link);
        if (told) say(told);
      };
      const small = (text, key, run, title) => dom.button(text, (event) => run(event.currentTarget), { class: "fl-button fl-rs-small", "aria-label": `${text}: ${name}`, title, data: { act: `${key} ${one.uid}` } });
      const role = select(ROLES, one.role, (value) => change({ role: value }, null, `${name} is now ${value}.`), { "aria-label": `Role of ${name}`, data: { act: `role ${one.uid}` } });
      role.classList.add("fl-rs-small");
      return el("span", { class: "fl-rs-acts" }, role, small("New link", "link", (button) => change({ new_link: true }, button), "The earlier link stops working"),
        one.revoked ? small("Let in again", "revoke", (button) => change({ revoked: false }, button, `${name} can label again.`)) : small("Revoke", "revoke", (button) => change({ revoked: true }, button, `The link of ${name} does not work any more; everything entered is kept.`), "The link stops working; what was entered is kept"));
    }

    /** The labelling link, which nobody can show again. */
    link(name, link) {
      const address = new URL(link, location.origin + location.pathname).href;
      const box = input({ readonly: true, value: address, "aria-label": `Labelling link for ${name}`, onfocus: (event) => event.target.select() });
      const copy = primary("Copy", async () => this.session.say((await dom.copyText(address)) ? "Copied." : "The browser did not allow copying: select the link and copy it by hand."));
      this.shown.hidden = false;
      this.shown.replaceChildren(el("p", {}, el("b", {}, "Labelling link for ", words(name), "."), " Shown only now: copy it and send it. Whoever has it labels under this name; a new link can be made at any time.", Forklore.signedInByLink ? " On this page people sign in with a personal link of their own first: a member of the team needs both." : ""), el("div", { class: "fl-rs-line" }, box, copy, dom.button("Hide the link", () => { this.shown.hidden = true; this.shown.replaceChildren(); this.form.querySelector("input")?.focus(); })));
      copy.focus();
    }

    drawForm() {
      const { session } = this;
      const name = input({ maxlength: 100, autocomplete: "off", placeholder: "Name" });
      let role = "annotator";
      const days = input({ type: "number", min: 1, max: 3650, value: "30" });
      const add = async (button) => {
        if (!name.value.trim()) { session.say("Give a name first: the person appears under it in your list.", true); name.focus(); return; }
        const answer = await deed(button, () => session.call("add_annotator", session.uid, name.value.trim(), role, Number(days.value) || null), session.say);
        if (!answer) return;
        const said = name.value.trim();
        name.value = "";
        session.take(answer.overview);
        this.link(said, answer.link);
      };
      const button = primary("Add", (event) => add(event.currentTarget));
      name.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.isComposing) { event.preventDefault(); add(button); } });
      const roles = select(ROLES, role, (value) => { role = value; });
      const mine = dom.button("Label it myself", async (event) => {
        const joined = await deed(event.currentTarget, async () => { await session.call("join_session", session.uid); return true; }, session.say);
        if (joined) { session.page.trigger("annotate_open", { session: session.uid }); session.refresh().catch(() => {}); }
      }, { title: "You become an annotator of this session and go on in Annotate" });
      this.form.replaceChildren(el("div", { class: "fl-rs-add" }, field("Add a person", name, "Each gets a pseudonym; only you see the name."), field("Role", roles, "Adjudicators decide disputed items."), field("Link works for, days", days, "Empty: until you revoke it."), el("div", { class: "fl-rs-line" }, button, mine)));
    }
  }

  Forklore.SessionMembers = SessionMembers;
})();
