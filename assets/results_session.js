// One session: its title, what must be known about it, and its parts in tabs; each part is built when first opened.
// Holds the overview; parts ask for theirs by themselves.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, controls, resultsParts } = Forklore;
  const { el } = dom;
  const { words, counted, load, deed } = resultsParts;

  const PARTS = [
    ["overview", "Overview", (host, session) => new Forklore.SessionOverview(host, session)],
    ["agreement", "Agreement", (host, session) => new Forklore.SessionAgreement(host, session)],
    ["adjudication", "Adjudication", (host, session) => new Forklore.SessionDisputes(host, session)],
    ["scores", "Scores against labels", (host, session) => new Forklore.SessionScores(host, session)],
    ["files", "Files", (host, session) => new Forklore.SessionFiles(host, session)],
  ];

  class SessionView {
    constructor(page, uid, overview = null) {
      Object.assign(this, { page, uid, overview: null, say: page.say });
      this.host = el("div", {});
      const back = el("button", { type: "button", class: "fl-rs-back", text: "‹ All sessions", onclick: () => page.list() });
      this.title = el("h2", { tabindex: "-1", text: "Session" });
      this.facts = el("p", { class: "fl-rs-facts" });
      this.notes = el("div", {});
      this.acts = el("span", { class: "fl-rs-acts" });
      this.root = el("div", {}, back, el("div", { class: "fl-rs-line fl-rs-top" }, this.title, el("span", { class: "fl-rs-grow" }), this.acts), this.facts, this.notes, this.host);
      load(this.host, async () => overview || page.call("session_overview", uid, page.link), (found) => this.begin(found), "Opening the session …");
    }

    /** Asks with what this reader may see it by. */
    call(name, ...args) {
      return this.page.call(name, ...args);
    }

    get owner() { return !this.overview.example && this.overview.role === "owner"; }
    get judge() { return !this.overview.example && (this.overview.role === "owner" || this.overview.role === "adjudicator"); }
    /** Why what would change something is not there. */
    get why() {
      return this.overview.example ? "This is an example: it can be read, not changed." : this.owner ? "" : "Only the owner of the session can change it.";
    }

    begin(overview) {
      this.take(overview);
      const tabs = controls.tabs({
        label: "Parts of the session", chosen: "overview", shown: (_, part) => part.shown?.(),
        list: PARTS.map(([id, label, build]) => ({ id, label, build: (host) => build(host, this) })),
      });
      this.tabs = tabs;
      tabs.first();
      return [tabs.strip, tabs.body];
    }

    /** A newer overview: what is on show is drawn again, the rest when it is opened. */
    take(overview) {
      this.overview = overview;
      this.head();
      for (const part of this.tabs ? this.tabs.built() : []) part.update?.();
    }

    async refresh() {
      this.take(await this.call("session_overview", this.uid, this.page.link));
    }

    /** Changes something of the session and draws what came of it; gives false where it was refused. */
    async change(changes, button, told) {
      const overview = await deed(button, () => this.call("edit_session", this.uid, changes), this.say);
      if (!overview) return false;
      this.take(overview);
      if (told) this.say(told);
      return true;
    }

    head() {
      const { overview } = this;
      this.title.replaceChildren(words(overview.title || "Untitled session"));
      const { settings = {} } = overview;
      const facts = [overview.status === "closed" ? "closed" : "open", counted(overview.items, "item"), settings.overlap ? `${counted(settings.overlap, "person", "people")} an item` : "everybody labels every item",
        overview.blind ? "blind" : "not blind", `schema ${overview.schema_version}`, `guidelines ${overview.guidelines_version}`, overview.created ? `made ${format.date(overview.created)}` : ""];
      this.facts.textContent = facts.filter(Boolean).join(" · ");
      const notes = [];
      if (Forklore.isSimulated(overview)) notes.push(el("p", { class: "fl-rs-note" }, el("b", { text: "Simulated annotators. " }), "The labels of this session were made by programs to show what a finished session looks like; nobody labelled by hand."));
      if (this.why) notes.push(el("p", { class: "fl-rs-note", text: `${this.why}${overview.example ? " Fork it to work with a copy of your own." : ""}` }));
      if (overview.hidden) notes.push(el("p", { class: "fl-rs-note", text: `You label in this blind session yourself: what others entered on ${counted(overview.hidden, "item")} is hidden until you have submitted ${overview.hidden === 1 ? "it" : "them"}, or the session is closed.` }));
      this.notes.replaceChildren(...notes);
      this.acts.replaceChildren(...this.deeds());
    }

    deeds() {
      const { overview } = this;
      const closed = overview.status === "closed";
      const toggle = this.owner ? dom.button(closed ? "Open the session" : "Close the session", (event) => this.change({ status: closed ? "open" : "closed" }, event.currentTarget, closed ? "The session is open: links work again." : "The session is closed: nobody can save any more. Everything is kept."), { title: closed ? "People can label again" : "Nobody can save any more; it can be opened again" }) : null;
      const remove = this.owner ? dom.button("Delete", (event) => this.remove(event.currentTarget), { title: "Can be undone" }) : null;
      const rename = this.owner ? dom.button("Rename", () => this.rename()) : null;
      return [rename, toggle, remove].filter(Boolean);
    }

    rename() {
      const field = resultsParts.input({ value: this.overview.title, maxlength: 200, "aria-label": "Title of the session" });
      const done = (keep) => { if (keep && field.value.trim()) this.change({ title: field.value.trim() }); this.head(); this.title.focus(); };
      field.addEventListener("keydown", (event) => {
        if (event.isComposing || (event.key !== "Enter" && event.key !== "Escape")) return;
        event.preventDefault();
        done(event.key === "Enter");
      });
      this.title.replaceChildren(field);
      this.acts.replaceChildren(dom.button("Save", () => done(true)), dom.button("Cancel", () => done(false)));
      field.select();
    }

    async remove(button) {
      const { uid, page } = this;
      const gone = await deed(button, async () => { await this.call("delete_session", uid); return true; }, this.say);
      if (!gone) return;
      page.list();
      page.say(`Deleted “${this.overview.title}”.`, { label: "Undo", run: () => deed(null, async () => { await page.call("restore_session", uid); page.open(uid); }, page.say) });
    }
  }

  Forklore.SessionView = SessionView;
})();
