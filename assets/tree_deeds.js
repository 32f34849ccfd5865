// What a reader does to the tree itself, beyond looking: marks and own words, each a step that undo takes back.
// Asks through the piece; does not draw.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});

  class TreeDeeds {
    constructor(context) {
      this.context = context;
      this.awaited = false;
    }

    /** Puts a bookmark, a note or tags (as text) at a token; what is left out stays as it is. */
    mark(node, marks) {
      const { context } = this;
      const { data } = context;
      const now = { bookmark: data.bookmarked(node), note: data.note(node), tags: data.tags(node).join(", ") };
      const before = Object.fromEntries(Object.keys(marks).map((name) => [name, now[name]]));
      const send = (values) => context.emit("tree_mark", { node, bookmark: null, note: null, ...values });
      context.step({}, false, { undo: () => send(before), redo: () => send(marks) });
      send(marks);
    }

    /** Writes a sibling of a token. */
    write(node, text) {
      this.awaited = true;
      this.context.emit("tree_edit", { node, text });
    }

    /** Selects what the reader wrote, once it stands in the tree. */
    settle() {
      const { data } = this.context;
      const { status } = data;
      if (!this.awaited || !status || data.growing) return;
      this.awaited = false;
      if (status.state === "idle" && data.has(status.start) && data.flag(status.start, "forced")) this.context.pick(status.start, "key");
    }
  }

  Forklore.TreeDeeds = TreeDeeds;
})();
