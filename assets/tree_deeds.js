// What a reader does to the tree itself, beyond looking: marks and own words, each a step that undo takes back.
// Asks through the piece; does not draw.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});

  class TreeDeeds {
    constructor(context) {
      this.context = context;
      this.awaited = null;
    }

    /** Asks the server for one thing at a node: {type, node, ...details}. */
    send({ type, ...details }) {
      this.context.emit(type, details);
    }

    /** Puts a bookmark, a note or tags (as text) at a token; what is left out stays as it is. */
    mark(node, marks) {
      const { context } = this;
      const { data } = context;
      const now = { bookmark: data.bookmarked(node), note: data.note(node), tags: data.tags(node).join(", ") };
      const before = Object.fromEntries(Object.keys(marks).map((name) => [name, now[name]]));
      const asked = (values) => ({ type: "tree_mark", node, bookmark: null, note: null, ...values });
      const deed = { undo: asked(before), redo: asked(marks) };
      context.step({}, false, deed);
      this.send(deed.redo);
    }

    /** Writes a sibling of a token. */
    write(node, text) {
      const deed = { undo: { type: "tree_remove", node }, redo: { type: "tree_edit", node, text } };
      this.ask(deed, "redo");
    }

    /** Takes away what was written: from where it begins, unless something else hangs on its beginning. */
    remove(node) {
      const { context } = this;
      const { data } = context;
      let head = node;
      const goesUp = () => { const above = data.parent(head); return above > 0 && data.flag(above, "forced") && !data.onRun[above] && data.children(above).length === 1; };
      while (goesUp()) head = data.parent(head);
      const words = [head];
      for (let at = head; data.children(at).length === 1 && data.flag(data.children(at)[0], "forced");) words.push((at = data.children(at)[0]));
      const beside = data.children(data.parent(head)).find((child) => child !== head);
      const redo = { type: "tree_remove", node: head };
      const undo = { type: "tree_edit", node: beside, text: data.pathText(words) };
      context.step({ selected: data.parent(head) }, false, beside === undefined ? null : { undo, redo });
      this.send(redo);
      context.focus();
    }

    /** Asks for an undo or a redo of a step: {deed, asked}. */
    again({ deed, asked }) {
      // the token of a mark may be gone
      if (!asked || asked.node === undefined) return;
      if (asked.type === "tree_edit") this.ask(deed, asked === deed.undo ? "undo" : "redo", true);
      else this.send(asked);
    }

    /** Writes as the deed says; what it writes is then what its other half removes. known: the step is there already. */
    ask(deed, side, known = false) {
      this.awaited = { deed, other: deed[side === "undo" ? "redo" : "undo"], size: this.context.data.nodes.length, known };
      this.send(deed[side]);
    }

    /** Selects what the reader wrote, once it stands in the tree. */
    settle() {
      const { context, awaited } = this;
      const { data } = context;
      const { status } = data;
      if (!awaited || !status || data.growing) return;
      this.awaited = null;
      if (status.state !== "idle" || !data.has(status.start) || !data.flag(status.start, "forced")) return;
      const fresh = data.path(status.start).find((node) => node >= awaited.size);
      if (fresh !== undefined) awaited.other.node = fresh;
      if (awaited.known) context.step({ selected: status.start }, true);
      else {
        context.pick(status.start, "key");
        if (fresh !== undefined) context.shape.state.deed = awaited.deed;
      }
      context.reveal(context.selected);
    }
  }

  Forklore.TreeDeeds = TreeDeeds;
})();
