// Taking a session away in four forms, and taking in labels that were made elsewhere.
// Files come from the server as base64; what they hold is decided there.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, resultsParts } = Forklore;
  const { el } = dom;
  const { words, counted, deed, hint, field } = resultsParts;
  const MOST_BYTES = 50e6;
  const FORMS = [
    ["jsonl", "JSONL", "Everything, exactly: items, people, every action. Can be imported again."],
    ["csv", "CSV", "One label or answer a row, with tokens and characters; opens in a spreadsheet."],
    ["conll", "CoNLL", "A token a line, labels in columns; per person and for the final labels."],
    ["parquet", "Parquet", "A zip with tables and a data card, ready for the datasets library."],
  ];

  const EXAMPLE = '{"run": "UID", "labels": [{"set": "errors", "label": "factual", "start": 4, "stop": 7}], "answers": {"correct": "no"}}';

  const bytes = (base64) => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));

  class SessionFiles {
    constructor(host, session) {
      Object.assign(this, { session, host, names: false });
      this.draw();
    }

    update() { if (this.owner !== this.session.owner) this.draw(); }

    draw() {
      const { owner } = this.session;
      this.owner = owner;
      const names = el("input", { type: "checkbox", checked: this.names, onchange: (event) => { this.names = event.target.checked; } });
      this.result = el("div", { role: "status" });
      this.host.replaceChildren(el("h3", { text: "Export" }), ...(owner ? [field("With names", names, "Off: people are A1, A2 …, as everywhere else.")] : []),
        el("ul", { class: "fl-rs-forms" }, FORMS.map(([form, name, about]) => el("li", {}, dom.button(`Save ${name}`, (event) => this.save(form, event.currentTarget)), el("span", {}, about)))),
        ...(owner ? [el("h3", { text: "Labels made elsewhere" }), hint("JSON lines. Each names its text by run (the uid), text_hash or text, and has labels, answers or both. A label has set and label, and lies from start to stop in tokens, or from start_char to stop_char in characters. For example:"), el("p", { class: "fl-rs-line-example" }, el("code", { text: EXAMPLE })), hint("They count as those of a person of their own, “import”. What does not fit is refused line by line and the rest is taken."), Forklore.resultsFileButton("Import labels", ".jsonl,.json,.txt", (file, button) => this.take(file, button)), this.result] : [hint(this.session.why)]));
    }

    save(form, button) {
      const { session } = this;
      return deed(button, async () => {
        const file = await session.call("export_session", session.uid, form, this.names, session.page.link);
        const content = new Blob([bytes(file.base64)], { type: file.type });
        dom.download(file.name, content, file.type);
        session.say(`Saved ${file.name}, ${content.size < 1e6 ? `${format.number(content.size / 1e3, 3)} kB` : `${format.number(content.size / 1e6, 3)} MB`}.`);
      }, session.say);
    }

    take(file, button) {
      const { session } = this;
      return deed(button, async () => {
        if (file.size > MOST_BYTES) throw new Error(`${file.name} has ${format.count(file.size / 1e6)} MB; give at most 50 MB at once.`);
        const { added, refused } = await session.call("import_labels", session.uid, await file.text());
        this.result.replaceChildren(el("p", { text: `${counted(added, "item")} taken in${refused.length ? `, ${counted(refused.length, "line")} refused:` : "."}` }), refused.length ? el("ul", {}, refused.map((one) => el("li", {}, `line ${format.count(one.line)}: `, words(one.reason)))) : "");
        await session.refresh();
      }, session.say);
    }
  }

  Forklore.SessionFiles = SessionFiles;
})();
