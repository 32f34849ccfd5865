// Which part of a tree is on show: hoisted to a node, folded, pruned by share, long chains drawn together; and the way back.
// Knows a TreeData and what the reader chose; does not know the page.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const LONG_CHAIN = 12;
  const CHAIN_HEAD = 4;
  const CHAIN_TAIL = 4;
  const STEPS_KEPT = 200;
  const FRESH = { root: 0, trail: [], folded: new Set(), opened: new Set(), prune: 0.05, kept: new Set(), collapse: true, selected: 0, lost: null, deed: null };

  class TreeShape {
    constructor(data) {
      this.data = data;
      this.reset();
    }

    reset() {
      this.state = { ...FRESH };
      this.past = [];
      this.future = [];
      this.compute();
    }

    /**
     * Changes the view as one step that undo takes back; `amend` makes it part of the step before. deed: {undo, redo},
     * what else has to be asked to take the step back, and to take it again, each at a node.
     */
    step(patch, amend = false, deed = null) {
      if (!amend) this.past.push(this.state);
      if (this.past.length > STEPS_KEPT) this.past.shift();
      if (!amend) this.future = [];
      this.state = { ...this.state, ...patch, deed: amend ? this.state.deed : deed, lost: amend && !("selected" in patch) ? this.state.lost : null };
      this.compute(Object.keys(patch));
    }
    /** Back (-1) or forth (1): {deed}, which is null where the view is all; null where there is no step. */
    travel(direction) {
      const [from, to] = direction < 0 ? [this.past, this.future] : [this.future, this.past];
      if (!from.length) return null;
      const left = this.state;
      to.push(left);
      this.state = from.pop();
      this.compute();
      const { deed } = direction < 0 ? left : this.state;
      return { deed, asked: deed && (direction < 0 ? deed.undo : deed.redo) };
    }

    /** The deed that a step back (-1) or forth (1) would take back or do again; null where the view is all. */
    ahead(direction) {
      const from = direction < 0 ? this.past : this.future;
      return !from.length ? null : direction < 0 ? this.state.deed : from[from.length - 1].deed;
    }

    /** Every step, past and to come, on a tree whose tokens have other numbers; place as of TreeData. A token that is gone is found again when it comes back. */
    renumber(place) {
      const all = (nodes) => new Set([...nodes].map(place));
      const anew = (state) => ({
        ...state, root: place(state.root), trail: state.trail.map(place), folded: all(state.folded), opened: all(state.opened), kept: all(state.kept), selected: place(state.selected),
        lost: state.lost || (place.exact(state.selected) === undefined ? place.way(state.selected) : null),
      });
      for (const asked of this.asks()) {
        if (asked.node === undefined) continue;
        const now = place.exact(asked.node);
        if (now === undefined) asked.lost = place.way(asked.node);
        asked.node = now;
      }
      [this.state, this.past, this.future] = [anew(this.state), this.past.map(anew), this.future.map(anew)];
    }

    /** What all deeds ask for. */
    asks() {
      return new Set([this.state, ...this.past, ...this.future].flatMap(({ deed }) => (deed ? [deed.undo, deed.redo] : [])));
    }
    /** Finds tokens again that were gone for a while: those of deeds, and those selected. */
    recall() {
      for (const state of [this.state, ...this.past, ...this.future]) {
        const node = state.lost ? this.data.find(state.lost) : undefined;
        if (node !== undefined) Object.assign(state, { selected: node, lost: null });
      }
      for (const asked of this.asks()) {
        const node = asked.lost && this.data.find(asked.lost);
        if (node !== undefined) { asked.node = node; delete asked.lost; }
      }
    }

    compute(changed) {
      if (changed && changed.every((key) => key === "selected")) return;
      if (!changed) this.recall();
      const { data, state } = this;
      if (!data.has(state.root)) this.state = { ...FRESH };
      this.share = data.shares(this.state.root);
      this.shownKids = new Map();
      this.prunedAway();
      this.shown = this.walk();
      this.drawTogether();
    }

    /** keep[node]: 1 unless pruned; what stays, and what the reader went to (kept), keeps the way to it. */
    prunedAway() {
      const { data, share, state } = this;
      this.keep = new Uint8Array(data.nodes.length);
      for (let at = data.order.length - 1; at >= 0; at -= 1) {
        const node = data.order[at];
        if (share[node] >= state.prune || data.stays(node) || state.kept.has(node) || node === state.root) this.keep[node] = 1;
        const above = data.parent(node);
        if (this.keep[node] && above >= 0) this.keep[above] = 1;
      }
    }

    /** Nodes on show below the root of the view, parents first; counts what is hidden by pruning and by folds. */
    walk() {
      const { data, state, keep } = this;
      const shown = [];
      this.hidden = { nodes: 0, branches: 0 };
      this.visible = new Uint8Array(data.nodes.length);
      this.below = new Map();
      const stack = data.has(state.root) ? [state.root] : [];
      while (stack.length) {
        const node = stack.pop();
        shown.push(node);
        this.visible[node] = 1;
        for (const child of data.children(node)) {
          if (keep[child] && !state.folded.has(node)) stack.push(child);
          else if (!keep[child]) { this.hidden.branches += 1; this.hidden.nodes += this.countBelow(child); }
        }
        if (state.folded.has(node)) this.below.set(node, this.countBelow(node) - 1);
      }
      return shown;
    }

    countBelow(node) {
      let count = 0;
      const stack = [node];
      while (stack.length) {
        count += 1;
        for (const child of this.data.kids[stack.pop()] || []) stack.push(child);
      }
      return count;
    }

    /** Children on show, folds and pruning taken into account; those within a chain that is drawn together count. */
    kids(node) {
      let found = this.shownKids.get(node);
      if (!found) {
        found = this.state.folded.has(node) ? [] : this.data.children(node).filter((child) => this.keep[child]);
        this.shownKids.set(node, found);
      }
      return found;
    }

    /** within[node] -> chain, for tokens in the middle of long chains; gapAfter: the token before such a middle -> chain. */
    drawTogether() {
      this.within = new Map();
      this.gapAfter = new Map();
      if (!this.state.collapse || !this.data.size) return;
      const { data, state } = this;
      const plain = (node) => !data.runsAt.has(node) && !data.marked(node) && !data.flag(node, "forced") && !state.folded.has(node) && node !== state.root;
      for (const chain of data.segments(state.root, (node) => this.kids(node), plain, LONG_CHAIN)) {
        if (state.opened.has(chain.head)) continue;
        const middle = chain.nodes.slice(CHAIN_HEAD, chain.nodes.length - CHAIN_TAIL);
        for (const node of middle) this.within.set(node, chain);
        this.gapAfter.set(chain.nodes[CHAIN_HEAD - 1], { ...chain, middle });
      }
    }

    /** Child that is drawn next after this token on the same line: the middle of a chain is jumped over. */
    firstDrawn(node) {
      const gap = this.gapAfter.get(node);
      return gap ? gap.nodes[gap.nodes.length - CHAIN_TAIL] : this.kids(node)[0];
    }
    drawnParent(node) {
      let above = this.data.parent(node);
      while (above >= 0 && this.within.has(above)) above = this.data.parent(above);
      return node === this.state.root ? -1 : above;
    }
    drawn(node) {
      return Boolean(this.visible[node]) && !this.within.has(node);
    }

    /** What must change so that a node can be seen; null when it is on show already. */
    revealing(node) {
      if (this.drawn(node)) return null;
      const { data, state } = this;
      const way = data.path(node);
      const patch = {};
      if (!way.includes(state.root)) Object.assign(patch, { root: 0, trail: [] });
      const folded = way.slice(0, -1).filter((above) => state.folded.has(above));
      if (folded.length) patch.folded = new Set([...state.folded].filter((above) => !folded.includes(above)));
      const chain = this.within.get(node);
      if (chain) patch.opened = new Set([...state.opened, chain.head]);
      if (!this.keep[node] || patch.root === 0) patch.kept = new Set([...state.kept, node]);
      return patch;
    }

    /** The node a key leads to, or the same one: left parent, right best child, up and down siblings, then those of ancestors. */
    neighbour(node, key) {
      if (key === "ArrowLeft") { const above = this.drawnParent(node); return above < 0 ? node : above; }
      if (key === "ArrowRight") return this.firstDrawn(node) ?? node;
      const step = key === "ArrowDown" ? 1 : -1;
      for (let at = node; at >= 0 && at !== this.state.root; at = this.drawnParent(at)) {
        const siblings = this.kids(this.data.parent(at));
        const next = siblings[siblings.indexOf(at) + step];
        if (next !== undefined) return next;
      }
      return node;
    }
  }

  Forklore.TreeShape = TreeShape;
})();
