// Below the tree: the chosen token, its text and numbers, what can be done with it; and two tokens compared.
// Asks through the piece; does not draw the tree.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, treeWords } = Forklore;
  const { el } = dom;
  const TEXT_SHOWN = [80, 160]; // characters of the text before the chosen token, on a narrow and on a wide page
  const ONWARD_SHOWN = 60; // tokens

  /** Tokens as tinted text; those `faint` were not chosen, only the likeliest way on. */
  function prose(context, nodes, faint = false) {
    const { data } = context;
    const out = [];
    const last = nodes[nodes.length - 1];
    for (const node of nodes) {
      const [, , text, , , , , hex] = data.nodes[node];
      if (data.flag(node, "control")) out.push(el("span", { class: "fl-tr-word fl-tr-sign", text: data.label(node) }));
      else if (!hex || text || node === last) {
        const word = el("bdi", { class: faint ? "fl-tr-word" : `fl-tr-word fl-w ${context.tint(node)}`, title: format.percent(data.probability(node)) });
        Forklore.fillText(word, text || data.label(node));
        out.push(word);
      }
    }
    return out;
  }

  class TreeDetail {
    constructor(context) {
      this.context = context;
      this.prompt = el("p", { class: "fl-tr-prompt", dir: "auto" });
      this.text = el("p", { class: "fl-tr-text", dir: "auto" });
      this.facts = el("dl", { class: "fl-tr-facts" });
      this.noteText = el("p", { class: "fl-tr-note", dir: "auto" });
      this.tags = el("ul", { class: "fl-tr-labels", "aria-label": "Tags" });
      this.actions = el("div", { class: "fl-tr-buttons", role: "group", "aria-label": "With this token" });
      this.editor = el("form", { class: "fl-tr-form", hidden: true });
      this.compared = el("section", { class: "fl-tr-compare", hidden: true, "aria-label": "Two branches compared" });
      this.editor.addEventListener("keydown", (event) => { if (event.key === "Escape") { event.stopPropagation(); this.closeEditor(); } });
      this.root = el("section", { class: "fl-tr-detail", "aria-label": "The chosen token" }, el("div", {}, this.prompt, this.text), this.facts, this.noteText, this.tags, this.actions, context.grow.form, this.editor, this.compared);
      this.build();
    }

    build() {
      const { context } = this;
      const act = (name, label, key, title) => dom.button(label, () => context.act(name, context.selected), { class: "fl-button", title: `${title} (${key})`, "aria-keyshortcuts": key });
      this.buttons = {
        expand: act("expand", "Expand here…", "E", "Look into what follows this token"), edit: dom.button("Edit…", () => this.edit(), { title: "Write a sibling of this token; the original stays" }),
        bookmark: act("bookmark", "Bookmark", "B", "Bookmark this token; bookmarked tokens are never hidden"), note: dom.button("Tags, note…", () => this.writeNote(), { title: "Write a note at this token, or tags" }),
        remove: dom.button("Remove", () => context.deeds.remove(context.selected), { title: "Take away what you wrote here and everything that followed it; undo brings it back" }),
        fold: act("fold", "Fold", "F", "Hide what follows this token"), hoist: act("hoist", "Hoist", "H", "Show only what follows this token"),
        compare: act("compare", "Compare", "C", "Compare this branch with another one"),
      };
      this.take = Forklore.controls.menu({
        label: "Make this a run", title: "Go on from this token as a run of its own",
        items: () => [["same", "Same luck", "goes on with the noise of this run"], ["fresh", "Fresh luck", "goes on with new noise"]].map(([luck, label, hint]) => ({ label, hint, run: () => this.takeRun(luck) })),
      });
      this.openRun = dom.button("Open the run", () => context.act("run", context.selected), { class: "fl-button" });
      this.actions.append(...Object.values(this.buttons), this.take.root, this.openRun);
    }

    takeRun(luck) {
      this.context.emit("tree_take", { node: this.context.selected, luck });
      Forklore.branchesPiece.onTake?.();
    }

    update() {
      const { context } = this;
      const { data, shape, selected } = context;
      this.root.hidden = !data.has(selected);
      if (!data.has(selected)) return;
      const way = data.path(selected);
      const before = [...data.pathText(way.slice(0, -1))];
      const most = TEXT_SHOWN[context.narrow ? 0 : 1];
      const prompt = [...((data.header.root && data.header.root.text) || "").trim()];
      this.prompt.textContent = Forklore.dom.shown(prompt.length > most ? `…${prompt.slice(-most).join("")}` : prompt.join(""));
      const own = el("b", { class: "fl-tr-own", dir: "auto" });
      Forklore.fillText(own, selected === 0 ? "" : data.flag(selected, "control") || data.nodes[selected][7] ? data.label(selected) : data.nodes[selected][2]);
      const onward = data.onward(selected).slice(0, ONWARD_SHOWN);
      this.text.replaceChildren(el("span", { class: "fl-tr-before", text: before.length > most ? `…${before.slice(-most).join("").replace(/^\S{0,15}\s/, "").trimStart()}` : before.join("") }), own, el("span", { class: "fl-tr-onward", title: "the likeliest way on that the tree knows" }, prose(context, onward, true)));
      this.facts.replaceChildren(...this.factsOf(selected).map(([name, value, title]) => el("div", { title }, el("dt", { text: name }), el("dd", { text: value }))));
      const note = data.note(selected);
      this.noteText.hidden = !note;
      this.noteText.replaceChildren();
      Forklore.fillText(this.noteText, note);
      const tags = data.tags(selected);
      this.tags.hidden = !tags.length;
      this.tags.replaceChildren(...tags.map((tag) => { const name = el("li", { class: "fl-tr-label", dir: "auto" }); Forklore.fillText(name, tag); return name; }));
      this.dress(shape, data, selected);
      this.drawCompared();
    }

    dress(shape, data, selected) {
      const { buttons, context } = this;
      const atRoot = data.parent(selected) < 0;
      buttons.fold.textContent = shape.state.folded.has(selected) ? "Unfold" : "Fold";
      buttons.fold.disabled = !data.children(selected).length;
      buttons.bookmark.textContent = data.bookmarked(selected) ? "Remove bookmark" : "Bookmark";
      const written = [data.note(selected) && "note", data.tags(selected).length && "tags"].filter(Boolean).join(", ");
      buttons.note.textContent = written ? `Edit ${written}…` : "Tags, note…";
      buttons.hoist.textContent = shape.state.root === selected && selected !== 0 ? "Back" : "Hoist";
      buttons.hoist.disabled = atRoot;
      buttons.edit.disabled = atRoot;
      buttons.remove.hidden = !data.flag(selected, "forced") || data.onRun[selected] > 0;
      buttons.remove.disabled = data.growing;
      buttons.expand.disabled = data.growing || data.flag(selected, "finished");
      buttons.compare.textContent = context.compared.length === 1 && context.compared[0] !== selected ? "Compare with the first" : context.compared.length ? "End comparison" : "Compare";
      const run = data.runThrough.get(selected);
      this.openRun.hidden = !run;
      if (run) this.openRun.textContent = Forklore.dom.shown(`Open “${format.cut(format.label(run.title || "Untitled run"), 30)}”`);
      this.take.button.disabled = atRoot;
    }

    factsOf(node) {
      const { data, shape } = this.context;
      const exists = (value, write) => (format.exists(value) ? write(value) : format.NA);
      const out = [];
      if (data.parent(node) >= 0) {
        out.push(["probability here", format.percent(data.probability(node)), "given the text before it"],
          ["share", treeWords.shareOf(data, shape, node), "probability since the branch left the nearest run, or a token written by a person, or the hoisted token"],
          ["of the whole path", treeWords.pathOf(data, node), "probability of the path from the root to this token, as a logarithm and in per cent"]);
      }
      out.push(["entropy of what follows", exists(data.entropy(node), (value) => format.quantity(value, "nats")), "n/a where nothing was looked into yet"],
        ["following tokens not in the tree", exists(data.rest(node), (value) => format.percent(value)), "probability of next tokens that are not children here"]);
      const state = [data.flag(node, "finished") && "ends the turn", data.limited.has(node) && "cut off by the depth limit: a prefix, not an answer", data.flag(node, "forced") && "put there by a person", data.flag(node, "recorded") && "recorded alternative, never looked into", data.flag(node, "control") && "control token"].filter(Boolean);
      if (state.length) out.push(["this token", state.join("; "), ""]);
      return out;
    }

    // ---- words of the reader

    /**
     * A small form with one field: done(text) is called with what was written; with oneLine Enter alone saves. line: a
     * second field, {label, value, hint, problem(text) -> a sentence or ""}, whose text done gets too.
     */
    ask({ title, label, value, rows, verb, oneLine, done, remove, line }) {
      const id = dom.uid("fl-tr-words");
      const field = el("textarea", { id, rows, class: "fl-tr-field-text", value, dir: "auto" });
      const save = el("button", { type: "submit", class: "fl-button fl-tr-primary", text: verb });
      const second = line ? this.lineField(line) : null;
      this.editor.onsubmit = (event) => {
        event.preventDefault();
        if ((second && second.refuses()) || done(field.value, second && second.input.value) === false) return;
        this.closeEditor();
      };
      field.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || event.isComposing || event.shiftKey || !(oneLine || event.ctrlKey || event.metaKey)) return;
        event.preventDefault();
        this.editor.requestSubmit();
      });
      const fit = () => { field.style.height = "auto"; field.style.height = `${field.scrollHeight + field.offsetHeight - field.clientHeight}px`; };
      field.addEventListener("input", fit);
      this.editor.replaceChildren(el("label", { for: id, text: label }), field, ...(second ? second.parts : []), el("div", { class: "fl-tr-buttons" }, save, remove ? dom.button("Remove", () => { remove(); this.closeEditor(); }) : null, dom.button("Cancel", () => this.closeEditor())));
      this.editor.setAttribute("aria-label", Forklore.dom.shown(title));
      this.editor.hidden = false;
      fit();
      field.focus({ preventScroll: true });
      field.select();
      this.editor.scrollIntoView({ block: "nearest" });
    }

    lineField({ label, value, hint, problem }) {
      const id = dom.uid("fl-tr-line");
      const input = el("input", { type: "text", id, value, class: "fl-tr-line", dir: "auto", autocomplete: "off", "aria-describedby": `${id}-said` });
      const said = el("p", { id: `${id}-said`, class: "fl-tr-aside", role: "status", text: hint });
      const refuses = () => {
        const sentence = problem(input.value);
        said.textContent = Forklore.dom.shown(sentence || hint);
        said.classList.toggle("fl-tr-failed", Boolean(sentence));
        input.setAttribute("aria-invalid", String(Boolean(sentence)));
        if (sentence) input.focus();
        return Boolean(sentence);
      };
      return { parts: [el("label", { for: id, text: label }), input, said], input, refuses };
    }

    closeEditor() {
      if (this.editor.hidden) return;
      this.editor.hidden = true;
      this.context.focus();
    }

    edit() {
      const { context } = this;
      const node = context.selected;
      if (context.data.parent(node) < 0) return;
      const text = context.data.nodes[node][2];
      const label = `Instead of “${context.data.label(node)}”; a leading space belongs to the word. The original stays beside it.`;
      this.ask({ title: "Edit into a sibling", label, value: text, rows: 1, verb: "Add beside it", oneLine: true, done: (written) => {
        if (!written || written === text) { context.say(written ? "That is the text that stands there." : "Write at least one character."); return false; }
        context.deeds.write(node, written);
        return true;
      } });
    }

    writeNote() {
      const { context } = this;
      const node = context.selected;
      const now = context.data.note(node);
      const tags = context.data.tags(node).join(", ");
      const send = (note, words) => { if (note !== now || words !== tags) context.deeds.mark(node, { note, ...(words === tags ? {} : { tags: words }) }); };
      const line = { label: "Tags", value: tags, hint: "With commas between them; up to 8.", problem: treeWords.tagProblem };
      this.ask({ title: "Note and tags", label: `Note at “${context.data.label(node)}”`, value: now, rows: 3, verb: "Save", done: send, remove: now || tags ? () => send("", "") : null, line });
    }

    // ---- two branches

    drawCompared() {
      const { context } = this;
      const { data, compared } = context;
      this.compared.hidden = compared.length !== 2 || !compared.every((node) => data.has(node));
      if (this.compared.hidden) { this.compared.replaceChildren(); return; }
      const [a, b] = compared;
      const meet = data.meeting(a, b);
      const column = (node, name) => {
        const way = data.path(node);
        const own = way.slice(way.indexOf(meet) + 1);
        const logprob = own.reduce((sum, at) => sum + (data.nodes[at][3] ?? -Infinity), 0);
        const said = own.length ? `${format.percent(Math.exp(logprob), 2)} from the fork on · ${format.count(own.length)} ${own.length === 1 ? "token" : "tokens"}, ${format.percent(Math.exp(logprob / own.length))} each on average` : "the fork itself";
        const first = own.length ? ` · first token ${format.percent(data.probability(own[0]))}` : "";
        return el("div", { class: "fl-tr-side" }, el("p", { class: "fl-tr-side-head" }, el("b", { class: `fl-tr-badge fl-tr-badge-${name.toLowerCase()}`, text: name }), `${said}${first}`),
          el("p", { class: "fl-tr-text", dir: "auto" }, prose(context, own), el("span", { class: "fl-tr-onward", title: "the likeliest way on that the tree knows" }, prose(context, data.onward(node).slice(0, ONWARD_SHOWN), true))));
      };
      const shared = data.pathText(data.path(meet)).length;
      this.compared.replaceChildren(el("div", { class: "fl-tr-compare-head" }, el("h4", { text: meet === 0 ? "The branches part at the start." : "The branches part after " }, meet === 0 ? null : el("bdi", { text: `“${data.label(meet)}”, ${format.count(shared)} characters in.` })), dom.button("Close", () => context.endComparison(), { "aria-label": "Close the comparison" })),
        el("div", { class: "fl-tr-sides" }, column(a, "A"), column(b, "B")));
    }
  }

  Forklore.TreeDetail = TreeDetail;
})();
