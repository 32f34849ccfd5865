// A schema as YAML with line numbers, checked by the server while it is written, and what annotators will see of it.
// Knows problems as {line, reason}; what a schema may say is decided elsewhere.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, resultsParts } = Forklore;
  const { el } = dom;
  const { words, counted, hint, refusal, select } = resultsParts;
  const TYPING_MS = 350;
  const [LEAST, MOST] = [10, 28];

  class SchemaEditor {
    /** presets: [{name, title, schema_yaml}] or nothing. */
    constructor(page, text, presets = []) {
      Object.assign(this, { page, ok: false, schema: null, asked: 0 });
      this.area = el("textarea", { class: "fl-rs-yaml", wrap: "off", spellcheck: "false", autocapitalize: "off", autocomplete: "off", "aria-label": "Schema, as YAML or JSON", value: text, translate: "no" });
      this.lines = el("div", { class: "fl-rs-lines", "aria-hidden": "true" });
      this.problems = el("div", { class: "fl-rs-problems", role: "status" });
      this.preview = el("div", {});
      this.area.setAttribute("aria-describedby", (this.problems.id = dom.uid("fl-rs-problems")));
      this.area.addEventListener("input", () => { this.number(); this.later(); });
      this.area.addEventListener("scroll", () => { this.lines.scrollTop = this.area.scrollTop; });
      this.root = el("div", { class: "fl-rs-schema" }, presets.length ? this.presets(presets) : null,
        el("div", { class: "fl-rs-two" }, el("div", {}, el("div", { class: "fl-rs-editor" }, this.lines, this.area), this.problems), this.preview));
      this.number();
      this.check();
    }

    get text() { return this.area.value; }

    presets(presets) {
      const own = [["", "Begin from …"], ...presets.map((one) => [one.name, one.title])];
      const box = select(own, "", (name) => {
        const preset = presets.find((one) => one.name === name);
        if (!preset) return;
        const before = this.text;
        this.write(preset.schema_yaml);
        this.page.say(`The schema is now “${preset.title}”.`, { label: "Undo", run: () => this.write(before) });
        box.value = "";
        this.picked?.(preset);
      }, { "aria-label": "Begin from a ready schema" });
      return el("div", { class: "fl-rs-line" }, box, hint("A ready schema to change as you like."));
    }

    write(text) {
      this.area.value = text;
      this.number();
      this.check();
    }

    number() {
      const count = this.text.split("\n").length;
      this.area.rows = Math.min(MOST, Math.max(LEAST, count + 1));
      if (this.lines.children.length !== count) this.lines.replaceChildren(...Array.from({ length: count }, (_, i) => el("span", { text: String(i + 1) })));
      this.lines.scrollTop = this.area.scrollTop;
    }

    later() {
      clearTimeout(this.timer);
      this.ok = false;
      this.timer = setTimeout(() => this.check(), TYPING_MS);
    }

    check() {
      clearTimeout(this.timer);
      this.timer = 0;
      this.checking = this.ask();
      return this.checking;
    }

    /** Whether the text as it stands now can be used: who presses at once does not have to wait for the typing to settle. */
    async ready() {
      if (this.timer) this.check();
      await this.checking;
      return this.ok;
    }

    async ask() {
      const mine = (this.asked += 1);
      const { text } = this;
      try {
        const answer = await this.page.call("check_schema", text);
        if (mine !== this.asked || text !== this.text) return;
        this.ok = answer.ok;
        this.tell(answer);
      } catch (error) {
        if (mine !== this.asked) return;
        this.ok = false;
        this.problems.replaceChildren(el("p", { class: "fl-rs-problem" }, words(refusal(error))), dom.button("Check again", () => this.check()));
      }
    }

    tell(answer) {
      const bad = new Set(answer.problems.map((one) => one.line));
      [...this.lines.children].forEach((node, i) => node.classList.toggle("fl-rs-bad", bad.has(i + 1)));
      this.area.setAttribute("aria-invalid", String(!answer.ok));
      if (answer.ok) {
        this.schema = answer.schema;
        const labels = answer.schema.label_sets.reduce((sum, set) => sum + set.labels.length, 0);
        this.problems.replaceChildren(el("p", { class: "fl-rs-good" }, el("span", { "aria-hidden": "true", text: "✓ " }), `${counted(labels, "label")} in ${counted(answer.schema.label_sets.length, "set")}, ${counted(answer.schema.questions.length, "question")}.`));
        this.preview.replaceChildren(Forklore.schemaPreview(answer.schema));
        this.preview.classList.remove("fl-rs-stale");
        this.changed?.(answer.schema);
        return;
      }
      this.preview.classList.add("fl-rs-stale");
      this.problems.replaceChildren(el("p", { text: counted(answer.problems.length, "problem") }), el("ul", {}, answer.problems.map((one) => el("li", {}, one.line ? el("button", { type: "button", class: "fl-rs-linelink", text: `line ${one.line}`, title: "Go to this line", onclick: () => this.go(one.line) }) : null, one.line ? ": " : "", words(one.reason)))));
    }

    /** To a line of the text, which is selected. */
    go(line) {
      const all = this.text.split("\n");
      const start = all.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
      this.area.focus();
      this.area.setSelectionRange(start, start + (all[line - 1] || "").length);
      this.area.scrollTop = Math.max(0, (this.area.scrollHeight / all.length) * (line - 4));
    }

    /** Says that it cannot be used as it is. */
    insist() {
      this.page.say("The schema has problems: they stand below it, each with its line.", true);
      this.area.focus();
    }
  }

  Forklore.SchemaEditor = SchemaEditor;
})();
