// What a reader does to the tree itself, beyond looking: marks and own words, each a step that undo takes back.
// Asks through the piece; does not draw.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});

  const PATIENCE = 20000; // milliseconds; an answer that takes longer has been lost

  class TreeDeeds {
    constructor(context) {
      this.context = context;
      this.awaited = null;
    }

    /** Asks the server for one thing: {type, ...details}. */
    send({ type, lost, ...details }) {
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

    /** Writes a sibling of a token; what it writes is then what an undo takes out of sight. */
    write(node, text) {
      this.ask({ undo: { type: "tree_remove" }, redo: { type: "tree_edit", node, text } }, "redo");
    }

    /** Takes away what was written: from where it begins, unless something else hangs on its beginning. */
    remove(node) {
      const { context } = this;
      const { data } = context;
      if (this.busy()) return;
      let head = node;
      const goesUp = () => { const above = data.parent(head); return above > 0 && data.flag(above, "forced") && !data.onRun[above] && data.children(above).length === 1; };
      while (goesUp()) head = data.parent(head);
      const deed = { undo: { type: "tree_restore" }, redo: { type: "tree_remove", node: head } };
      context.step({ selected: data.parent(head) }, false, deed);
      this.ask(deed, "redo", 1);
      context.focus();
    }

    /** One step back (-1) or forth (1), with what has to be asked for it; false, saying why, where there is none now. */
    travel(direction) {
      const { context } = this;
      const { shape } = context;
      const deed = shape.ahead(direction);
      if (deed && this.busy()) return false;
      const side = direction < 0 ? "undo" : "redo";
      const asked = deed && deed[side];
      if (asked && asked.node === undefined && !asked.removed) {
        context.grow.tell("The token of this step is no longer in the tree.");
        return Boolean(shape.travel(direction));
      }
      if (!shape.travel(direction)) { context.say(direction < 0 ? "Nothing to undo." : "Nothing to do again."); return false; }
      if (asked && asked.type === "tree_mark") this.send(asked);
      else if (asked) this.ask(deed, side, direction);
      return true;
    }

    /** Whether the tree cannot be changed now, which is then said. */
    busy() {
      const { data, grow } = this.context;
      const awaits = this.awaited && Date.now() - this.awaited.since < PATIENCE;
      if (data.growing) grow.tell("The tree is growing: stop that, or wait until it is done, then try again.");
      else if (awaits) grow.tell("The last change is still on its way: try again in a moment.");
      return Boolean(data.growing || awaits);
    }

    /** Asks for one side of a deed whose answer says what its other side is about. step: in which direction the view has gone for it already, 0 for not at all. */
    ask(deed, side, step = 0) {
      const { data, shape } = this.context;
      this.awaited = { deed, side, step, size: data.nodes.length, run: data.run, since: Date.now(), at: [shape.past.length, shape.future.length] };
      this.send(deed[side]);
    }

    /** The view as it was before a step whose deed was refused. */
    takeBack({ deed, step, at }) {
      const { context } = this;
      const { shape } = context;
      if (!step || at[0] !== shape.past.length || at[1] !== shape.future.length) return;
      // a refusal is no news for the deed's other side: only the step is gone
      if (shape.ahead(-step) !== deed) return;
      shape.travel(-step);
      context.after(false);
    }

    /** Takes the answer to what was asked last: what came, went or came back is what the deed's other side is about. */
    settle() {
      const { context, awaited } = this;
      const { data } = context;
      const { status } = data;
      if (!awaited || !status || data.growing) return;
      if (data.run !== awaited.run) { this.awaited = null; return; }
      const { deed, side, step } = awaited;
      const other = deed[side === "undo" ? "redo" : "undo"];
      const { type } = deed[side];
      if (status.state !== "idle") { this.awaited = null; this.takeBack(awaited); return; }
      // what else was asked for meanwhile is answered, too
      if (!status[{ tree_remove: "removed", tree_restore: "restored", tree_edit: "reason" }[type]]) return;
      this.awaited = null;
      if (type === "tree_remove") { this.turn(other, { type: "tree_restore", removed: status.removed }); context.reveal(context.selected); return; }
      if (!data.has(status.start) || !data.flag(status.start, "forced")) return;
      const fresh = type === "tree_restore" ? status.start : data.path(status.start).find((node) => node >= awaited.size);
      if (fresh !== undefined) this.turn(other, { type: "tree_remove", node: fresh });
      if (step) context.step({ selected: status.start }, true);
      else {
        context.pick(status.start, "key");
        if (fresh !== undefined) context.shape.state.deed = deed;
      }
      context.reveal(context.selected);
    }

    /** Makes one side of a deed another one, in place: steps of the view share it. */
    turn(asked, into) {
      for (const name of Object.keys(asked)) delete asked[name];
      Object.assign(asked, into);
    }
  }

  Forklore.TreeDeeds = TreeDeeds;
})();
