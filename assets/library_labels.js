// Editing title, tags and note of a run in place: nothing typed is lost when saving fails.
// Shows a change at once and takes it back when the server does not confirm it; does not draw rows.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom } = Forklore;
  const { el } = dom;
  const SAVE_MS = 8_000;

  const EDITORS = {
    title: { label: "Title", save: (input) => input.value.trim(), make: (run) => el("input", { type: "text", class: "fl-lib-field", value: run.title, maxlength: 300, placeholder: "A title; empty shows the prompt" }) },
    note: { label: "Note", save: (input) => input.value.trim(), make: (run) => el("textarea", { class: "fl-lib-field", rows: 3, value: run.note, maxlength: 20000, placeholder: "What is worth remembering about this run" }) },
    tags: { label: "Tags", save: (input) => splitTags(input.value), make: (run) => el("input", { type: "text", class: "fl-lib-field", value: run.tags.join(", "), placeholder: "Tags, separated by commas" }) },
  };
  const splitTags = (text) => [...new Set(text.split(",").map((tag) => tag.trim()).filter(Boolean))];

  /** Known tags that complete what is being typed after the last comma. */
  function suggestions(input, known) {
    const host = el("div", { class: "fl-lib-suggest" });
    const draw = () => {
      const have = splitTags(input.value);
      const typed = input.value.split(",").pop().trim().toLowerCase();
      const fit = known.filter((tag) => !have.includes(tag) && tag.toLowerCase().includes(typed)).slice(0, 8);
      host.replaceChildren(...fit.map((tag) => el("button", { type: "button", class: "fl-lib-chip fl-lib-tag", onclick: () => {
        const kept = typed ? have.slice(0, -1) : have;
        input.value = `${[...kept, tag].join(", ")}, `;
        input.focus();
        draw();
      } }, Forklore.libraryRows.exact("bdi", "", tag))));
    };
    input.addEventListener("input", draw);
    draw();
    return host;
  }

  /** An editor of one field in place of the row's words; done(value or undefined) is called once. */
  function editor(run, field, { known, typed, problem, done }) {
    const { label, make, save } = EDITORS[field];
    const input = make(run);
    if (typed !== undefined) input.value = typed;
    const id = dom.uid("fl-lib-field");
    input.id = id;
    const first = input.value;
    let over = false;
    const finish = (value) => { if (!over) { over = true; done(value, input.value); } };
    // an untouched field changes nothing, not even a line break that the field cannot hold
    const keep = () => finish(input.value === first && !problem ? undefined : save(input));
    input.addEventListener("keydown", (event) => {
      if (event.isComposing || event.keyCode === 229) return;
      if (event.key === "Enter" && (field !== "note" || event.ctrlKey || event.metaKey)) keep();
      else if (event.key === "Escape") finish();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    const node = el("form", { class: "fl-lib-editor", onsubmit: (event) => { event.preventDefault(); keep(); } },
      el("label", { for: id, text: `${label} of ${Forklore.libraryRows.nameOf(run)}` }), input, field === "tags" ? suggestions(input, known) : null,
      problem ? el("p", { class: "fl-lib-problem", role: "alert", text: problem }) : null,
      el("div", { class: "fl-lib-editor-foot" }, el("button", { type: "submit", class: "fl-lib-button fl-lib-primary", text: problem ? "Try again" : "Save" }),
        el("button", { type: "button", class: "fl-lib-button", text: "Cancel", onclick: () => finish() }),
        el("span", { class: "fl-lib-hint", text: field === "note" ? "Ctrl + Enter saves, Esc cancels" : "Enter saves, Esc cancels" })));
    return { node, input };
  }

  class LibraryLabels {
    /** list: the rows' owner: run(uid), nodes, tags, draw(), settle(what), trigger(event, data), pageOf(uid). */
    constructor(list) {
      this.list = list;
      this.editing = null;
      this.saving = null;
    }

    edit(uid, field, typed, problem) {
      const run = this.list.run(uid);
      if (!run || run.example || run.damaged) return;
      if (this.editing) this.leave();
      const made = editor(run, field, { known: this.list.tags, typed, problem, done: (value, raw) => this.edited(uid, field, value, raw) });
      this.editing = { uid, ...made };
      this.place();
      made.input.focus();
      made.input.setSelectionRange(made.input.value.length, made.input.value.length);
    }

    /** Puts the open editor into its row, also after the rows were drawn again. */
    place() {
      const row = this.editing && this.list.nodes.get(this.editing.uid);
      if (!row) return;
      row.classList.add("fl-lib-editing");
      row.querySelector(".fl-lib-words").append(this.editing.node);
    }

    leave() {
      const { uid, node } = this.editing;
      this.editing = null;
      node.remove();
      const row = this.list.nodes.get(uid);
      if (!row) return;
      row.classList.remove("fl-lib-editing");
      row.querySelector("a").focus();
    }

    /** value: what to save, undefined to leave everything as it is. */
    edited(uid, field, value, raw) {
      this.leave();
      const run = this.list.run(uid);
      if (value === undefined || !run || JSON.stringify(value) === JSON.stringify(run[field])) return;
      clearTimeout(this.saving?.timer);
      this.saving = { uid, field, raw, before: run[field], timer: setTimeout(() => this.notSaved(), SAVE_MS) };
      run[field] = value;
      this.list.draw();
      this.list.settle("label");
      this.list.trigger("run_label", { uid, title: null, tags: null, note: null, [field]: value, query: this.list.pageOf(uid) });
    }

    /** The server answered with a fresh list, which says what is stored now. */
    saved() {
      clearTimeout(this.saving?.timer);
      this.saving = null;
    }

    notSaved() {
      const { uid, field, raw, before } = this.saving;
      this.saving = null;
      this.list.settle("");
      const run = this.list.run(uid);
      if (!run) return;
      run[field] = before;
      this.list.draw();
      this.edit(uid, field, raw, "Not saved. What you typed is still here.");
    }
  }

  Forklore.LibraryLabels = LibraryLabels;
})();
