// A new annotation session: title, items, schema, guidelines, settings; made with one button, or told what is missing.
// Each part has a file of its own; here they stand together.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, resultsParts } = Forklore;
  const { el } = dom;
  const { words, load, deed, hint, primary, field, input, prose } = resultsParts;

  const step = (n, title, ...content) => el("section", { class: "fl-rs-step" }, el("h3", {}, el("span", { class: "fl-rs-soft", text: `${n} ` }), title), ...content);

  /** A run's tokens as a text to mark: what `open_run` gives. */
  const textOf = (run) => ({ prompt: run.prompt, tokens: run.tokens.map((token) => ({ t: token.text })) });

  class NewSession {
    constructor(page, defaults) {
      Object.assign(this, { page, defaults });
      this.title = input({ maxlength: 200, autocomplete: "off" });
      this.chooser = new Forklore.RunChooser(page, { known: (item, done) => this.known(item, done) });
      this.editor = new Forklore.SchemaEditor(page, defaults.schema_yaml, defaults.presets || []);
      this.editor.picked = (preset) => { if (preset.pairs) this.chooser.setPairs(true); };
      this.guidelines = el("textarea", { class: "fl-rs-input fl-rs-area", rows: 8, value: defaults.guidelines || "", oninput: () => this.drawGuidelines() });
      this.shown = el("div", { class: "fl-rs-card" });
      this.settings = new Forklore.SettingsForm(defaults.settings, { scores: defaults.scores || [] });
      this.form = el("div", { class: "fl-rs-known", hidden: true });
      this.problem = el("p", { class: "fl-rs-problem", role: "alert" });
      const make = primary("Create the session", (event) => this.create(event.currentTarget));
      this.root = el("div", { class: "fl-rs-new" },
        step("1", "Title", field("Title", this.title, "People who label see it.")),
        step("2", "What is labelled", this.chooser.root, this.form),
        step("3", "What is asked: labels and questions", this.editor.root),
        step("4", "Guidelines", el("div", { class: "fl-rs-two" }, field("Guidelines, in Markdown", this.guidelines, "Read before the first item. They can be changed later; every version is kept with the labels made under it."), el("div", {}, el("p", { class: "fl-rs-soft", text: "As it will be read" }), this.shown))),
        step("5", "How it goes", this.settings.root),
        el("div", { class: "fl-rs-line fl-rs-final" }, make, dom.button("Cancel", () => page.list()), this.problem));
      this.drawGuidelines();
    }

    drawGuidelines() {
      this.shown.replaceChildren(this.guidelines.value.trim() ? prose(this.guidelines.value) : hint("Nothing yet."));
    }

    /** A small form after the schema for what is right on an item. */
    known(item, done) {
      const { form, editor, page } = this;
      if (!editor.schema) return editor.insist();
      form.hidden = false;
      const close = () => { form.hidden = true; form.replaceChildren(); done(); };
      form.replaceChildren();
      load(form, () => Promise.all(item.map((one) => page.call("open_run", one.uid))), (runs) => {
        const judgement = new Forklore.Judgement({ schema: editor.schema, runs: runs.map(textOf), state: item[0].expected });
        const keep = primary("Keep the known answer", () => {
          const value = judgement.value;
          if (!value.labels.length && !Object.keys(value.answers).length) return page.say("Nothing is given yet: mark a label or answer a question.", true);
          item[0].expected = value;
          close();
        });
        return [el("h4", {}, "Known answer: ", words(item[0].name)), hint("Training items show it after the person submits; hidden checks compare silently. Questions left open are not compared."), judgement.root, el("div", { class: "fl-rs-line" }, keep, dom.button("Cancel", close))];
      }, "Opening the run …").then(() => form.querySelector("[role=listbox], input")?.focus());
      form.scrollIntoView({ block: "nearest" });
    }

    async missing() {
      if (!this.title.value.trim()) return ["Give the session a title.", this.title];
      const items = this.chooser.problem();
      if (items) return [items, this.chooser.search];
      if (!(await this.editor.ready())) return ["The schema has problems: they stand below it, each with its line.", this.editor.area];
      const { schema } = this.editor;
      if (!this.chooser.pairs && schema.questions.some((one) => one.kind === "preference")) return ["The schema asks which of two is better: tick “Each item is a pair of runs”.", this.chooser.pairBox];
      if (!this.settings.values.check_every && this.chooser.items.some(([first]) => first.part === "check")) return ["Hidden checks are chosen but would never come: say after how many items one does, or make them items to label.", this.settings.every];
      const settings = this.settings.problem();
      return settings ? [settings, this.settings.root.querySelector("input, select")] : ["", null];
    }

    async create(button) {
      const [problem, at] = await this.missing();
      this.problem.replaceChildren(words(problem));
      if (problem) return at.focus();
      const { page } = this;
      const overview = await deed(button, () => page.call("create_session", this.title.value.trim(), this.chooser.value, this.editor.text, this.guidelines.value, this.settings.value()), (text) => this.problem.replaceChildren(words(text)));
      if (!overview) return;
      page.open(overview.session, overview);
      page.say("The session is made. Add people, or label it yourself.");
    }
  }

  Forklore.sessionNew = (page) => {
    const host = el("div", {});
    load(host, () => page.call("session_defaults"), (defaults) => new NewSession(page, defaults).root);
    return el("div", {}, el("button", { type: "button", class: "fl-rs-back", text: "‹ All sessions", onclick: () => page.list() }), el("h2", { text: "New session", tabindex: "-1" }), host);
  };
})();
