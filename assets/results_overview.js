// How far a session is: labels in, people, items, guidelines, schema, settings; and what its owner can change of it.
// Knows the overview of a session; people and items have files of their own.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, resultsParts } = Forklore;
  const { el } = dom;
  const { words, counted, bar, load, deed, hint, primary, prose, Table } = resultsParts;
  const PAGE = 50;

  class SessionOverview {
    constructor(host, session) {
      Object.assign(this, { session, rows: [], total: 0 });
      this.progress = el("div", { class: "fl-rs-progress" });
      this.people = new Forklore.SessionMembers(session);
      this.items = el("div", { class: "fl-rs-wide" });
      this.guidelines = el("section", {});
      this.schema = el("section", {});
      this.settings = el("section", {});
      host.append(this.progress, this.people.root, this.items, el("div", { class: "fl-rs-two" }, this.guidelines, el("div", {}, this.schema, this.settings)));
      this.loadItems(0);
      this.update();
    }

    /** What changed while another part was on show. */
    shown() { if (this.drawn !== this.session.overview) { this.update(); this.loadItems(0); } }

    update() {
      this.drawn = this.session.overview;
      this.drawProgress();
      this.people.update();
      this.drawGuidelines();
      this.drawSchema();
      this.drawSettings();
    }

    drawProgress() {
      const { overview, say } = this.session;
      const { answers = 0, needed = 0, complete_items: complete = 0, items = overview.items } = overview.progress || {};
      const { work = 0, training = 0, check = 0 } = overview.counts || {};
      const parts = [training ? `${format.count(training)} for training` : "", check ? `${counted(check, "hidden check")}` : ""].filter(Boolean);
      const again = dom.button("Refresh", (event) => deed(event.currentTarget, async () => { await this.session.refresh(); this.loadItems(0); }, say), { title: "Read again how far everybody is" });
      const said = answers ? `${format.count(answers)} of ${counted(needed, "answer")} ${answers === 1 ? "is" : "are"} in; ${format.count(complete)} of ${counted(items, "item")} ${complete === 1 ? "is" : "are"} complete.` : "Nobody has labelled anything yet.";
      this.progress.replaceChildren(el("div", { class: "fl-rs-line" }, el("p", { class: "fl-rs-sentence", text: said }), el("span", { class: "fl-rs-grow" }), again), bar(needed ? answers / needed : 0),
        el("p", { class: "fl-rs-facts", text: [`${counted(work, "item")} to label`, ...parts, overview.disputed ? `${format.count(overview.disputed)} disputed` : "", overview.finals ? `${format.count(overview.finals)} adjudicated` : ""].filter(Boolean).join(" · ") }));
    }

    // ---------------------------------------------------------------- items

    loadItems(offset) {
      load(this.items, () => this.session.call("session_items", this.session.uid, offset, PAGE, this.session.page.link), (answer) => {
        this.rows = offset ? [...this.rows, ...answer.rows] : answer.rows;
        this.total = answer.total;
        return this.itemTable();
      }, "Loading the items …");
    }

    itemTable() {
      const { overview, say, page } = this.session;
      const overlap = overview.settings?.overlap || 0;
      const columns = [
        { label: "Item", number: true, value: (row) => row.place, cell: (row) => format.count(row.place) },
        { label: "Text", value: (row) => row.text, cell: (row) => el("span", {}, el("span", { class: "fl-rs-text" }, words(row.text)), row.part === "work" ? null : Forklore.resultsBadge(row.part === "check" ? "hidden check" : row.part), row.gone?.some(Boolean) ? el("span", { class: "fl-rs-facts", text: " deleted from the library; this session keeps its copy" }) : null, this.comments(row)) },
        { label: "Answers", number: true, value: (row) => row.answers, raw: (row) => [row.answers, overlap || null], heads: ["Answers", "Answers wanted"], cell: (row) => el("span", { class: "fl-rs-done" }, `${format.count(row.answers)}${overlap && row.part === "work" ? ` of ${overlap}` : ""}`, overlap && row.part === "work" ? bar(row.answers / overlap) : null) },
        { label: "Disagreement", number: true, title: "Share of pairs of answers that differ; n/a with fewer than two answers", value: (row) => row.disagreement, cell: (row) => (format.exists(row.disagreement) ? el("span", { class: "fl-rs-done" }, resultsParts.figure(row.disagreement, 2), bar(row.disagreement)) : format.NA) },
        { label: "Flags", number: true, value: (row) => row.flags },
        { label: "Time", number: true, title: "Median over its answers, without pauses", heads: ["Seconds"], value: (row) => row.seconds, cell: (row) => format.seconds(row.seconds) },
        { label: "Final", value: (row) => (row.final ? "yes" : ""), cell: (row) => (row.final ? "adjudicated" : "") },
      ];
      const table = new Table(columns, { caption: `Items (${format.count(this.total)})`, rows: this.rows, say, empty: "No items.", picks: (row) => !row.gone?.[0], pick: (row) => page.trigger("run_open", { uid: row.runs[0] }), named: (row) => `Item ${row.place}: open its run in Explore` });
      const left = this.total - this.rows.length;
      return [table.root, left > 0 ? dom.button(`Show ${format.count(Math.min(PAGE, left))} more`, () => this.loadItems(this.rows.length)) : null];
    }

    comments(row) {
      const all = row.comments || [];
      if (!all.length) return null;
      return el("details", { class: "fl-rs-comments" }, el("summary", { text: counted(all.length, "comment") }), all.map((one) => el("p", {}, el("b", { text: `${one.by}: ` }), words(one.text))));
    }

    // ---------------------------------------------------------------- guidelines, schema, settings

    drawGuidelines() {
      const { overview, owner } = this.session;
      const edit = owner ? dom.button("Edit", () => this.editGuidelines(), { "aria-label": "Edit the guidelines" }) : null;
      this.guidelines.replaceChildren(el("div", { class: "fl-rs-line" }, el("h3", { text: `Guidelines, version ${overview.guidelines_version}` }), el("span", { class: "fl-rs-grow" }), edit),
        overview.guidelines ? el("div", { class: "fl-rs-card" }, prose(overview.guidelines)) : hint("None written."));
    }

    editGuidelines() {
      const { overview } = this.session;
      const area = el("textarea", { class: "fl-rs-input fl-rs-area", rows: 14, "aria-label": "Guidelines, in Markdown", value: overview.guidelines });
      const save = primary("Save as a new version", async (event) => {
        if (area.value === overview.guidelines) return this.drawGuidelines();
        await this.session.change({ guidelines: area.value }, event.currentTarget, "Saved as a new version; labels keep which version they were made under.");
      });
      this.guidelines.replaceChildren(el("h3", { text: "Guidelines" }), hint("Markdown. Each version is kept, and each label records the version it was made under."), area, el("div", { class: "fl-rs-line" }, save, dom.button("Cancel", () => this.drawGuidelines())));
      area.focus();
    }

    drawSchema() {
      const { overview, owner } = this.session;
      const locked = overview.answered ? "Labels were made under this schema, so it cannot change; fork the session to work with another one." : "";
      const edit = owner && !overview.answered ? dom.button("Edit", () => this.editSchema(false), { "aria-label": "Edit the schema" }) : null;
      this.schema.replaceChildren(el("div", { class: "fl-rs-line" }, el("h3", { text: `Schema, version ${overview.schema_version}` }), el("span", { class: "fl-rs-grow" }), edit, dom.button("Fork", () => this.editSchema(true), { title: "A new session with the same items and another schema; no members and no answers" })),
        Forklore.schemaPreview(overview.schema), ...(locked && owner ? [hint(locked)] : []),
        el("details", {}, el("summary", { text: "As YAML" }), el("pre", { class: "fl-rs-code", tabindex: "0", text: overview.schema_yaml })));
    }

    editSchema(fork) {
      const { overview, page, say, uid } = this.session;
      const editor = new Forklore.SchemaEditor(page, overview.schema_yaml);
      const title = resultsParts.input({ value: `${overview.title}, forked`, maxlength: 200 });
      const save = primary(fork ? "Make the new session" : "Save", async (event) => {
        const button = event.currentTarget;
        if (!(await editor.ready())) return editor.insist();
        if (!fork) return this.session.change({ schema: editor.text }, button, "The schema is saved.");
        const made = await deed(button, () => page.call("fork_session", uid, title.value.trim(), editor.text), say);
        if (made) { page.open(made.session, made); say("A new session with the same items; add people to it."); }
      });
      this.schema.replaceChildren(...[el("h3", { text: fork ? "Fork: the same items under another schema" : "Schema" }), fork ? resultsParts.field("Title", title, "The new session has no members and no answers yet.") : null, editor.root, el("div", { class: "fl-rs-line" }, save, dom.button("Cancel", () => this.drawSchema()))].filter(Boolean));
      editor.area.focus();
    }

    drawSettings() {
      const { overview, owner } = this.session;
      const edit = owner ? dom.button("Edit", () => this.editSettings(), { "aria-label": "Edit the settings" }) : null;
      this.settings.replaceChildren(el("div", { class: "fl-rs-line" }, el("h3", { text: "Settings" }), el("span", { class: "fl-rs-grow" }), edit), el("dl", { class: "fl-rs-list" }, Forklore.settingsTold(overview.settings || {}).flatMap(([name, value]) => [el("dt", { text: name }), el("dd", {}, words(value))])));
    }

    editSettings() {
      const { overview } = this.session;
      const form = new Forklore.SettingsForm(overview.settings || {}, { scores: overview.scores || [], made: true });
      const save = primary("Save", async (event) => {
        const problem = form.problem();
        if (problem) return this.session.say(problem, true);
        await this.session.change({ settings: form.value() }, event.currentTarget, "The settings are saved.");
      });
      this.settings.replaceChildren(el("h3", { text: "Settings" }), form.root, el("div", { class: "fl-rs-line" }, save, dom.button("Cancel", () => this.drawSettings())));
      form.root.querySelector("input, select")?.focus();
    }
  }

  Forklore.SessionOverview = SessionOverview;
})();
