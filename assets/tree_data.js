// The branching tree as the browser holds it: reads the append-only NDJSON, answers questions about paths, shares, chains.
// Knows the document's lines; does not know the page, nor what a reader has folded.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { format } = Forklore;
  const ANSWERS_KEPT = 12;
  const byNode = (values) => new Map(Object.entries(values || {}).map(([node, value]) => [Number(node), value]));
  const FLAGS = { finished: 1, forced: 2, control: 4, recorded: 8 };

  function parse(line) {
    try {
      return JSON.parse(line);
    } catch {
      console.warn("Forklore: a line of the tree could not be read and was left out.");
      return null;
    }
  }

  /** Where a token stands now, or the last before it that is still there. */
  function nearest(nodes, moved, node) {
    let at = node;
    while (nodes[at] && !moved.has(at)) at = nodes[at][1];
    return moved.get(at) ?? 0;
  }

  class TreeData {
    constructor() {
      this.clear();
    }

    clear() {
      this.text = "";
      this.header = null;
      this.numbering = undefined; // the server's token of the numbers below, which goes back with everything asked
      this.nodes = []; // [index, parent, text, logprob, entropy, rest, flags, hex] by index
      this.kids = [];
      this.firsts = new Map();
      this.runs = [];
      this.marks = { bookmarks: new Set(), notes: new Map(), tags: new Map() };
      this.status = null;
      this.exported = null;
      this.derive();
    }

    get size() {
      return this.order.length;
    }
    get run() {
      return this.header ? this.header.run : "";
    }
    /** How many of the run's own tokens stand in the root, before the first token of the tree. */
    get offset() {
      return (this.header && this.header.offset) || 0;
    }
    get current() {
      return this.runs.find((run) => run.current) || null;
    }
    get growing() {
      return Boolean(this.status) && (this.status.state === "growing" || this.status.state === "waiting");
    }

    /** Takes the whole text as it is now: {kind: "none" | "append" | "same" | "reset"}; "same" is the same tree said anew. */
    feed(text) {
      const whole = text || "";
      const end = whole.lastIndexOf("\n") + 1;
      const grown = whole.startsWith(this.text);
      if (grown && end === this.text.length) return { kind: "none" };
      const { header: before, firsts, nodes } = this;
      if (!grown) this.clear();
      const fresh = whole.slice(this.text.length, end).split("\n");
      for (const line of fresh) if (line) this.take(parse(line));
      this.text = whole.slice(0, end);
      // a tree gets its own name when something of it is first kept
      const same = before && this.header && before.run === this.header.run && (before.tree === this.header.tree || before.tree === "");
      const moved = same && !grown ? this.movedFrom(nodes) : null;
      if (same) this.firsts = moved ? new Map([...firsts].map(([node, first]) => [moved.get(node), moved.get(first)]).filter((pair) => !pair.includes(undefined))) : firsts;
      this.derive();
      if (grown && before) return { kind: "append" };
      return { kind: same ? "same" : "reset", place: moved && this.placing(nodes, moved) };
    }

    /** place(node) -> its number now, or that of the nearest before it; place.exact(node) -> undefined where it is gone; place.way(node) -> by what `find` finds it again. */
    placing(nodes, moved) {
      const place = (node) => nearest(nodes, moved, node);
      place.exact = (node) => moved.get(node);
      place.way = (node) => {
        const way = [];
        for (let at = node; nodes[at] && nodes[at][1] >= 0; at = nodes[at][1]) way.unshift(nodes[at]);
        return way;
      };
      return place;
    }
    /** The token at the end of a way, as of `placing`; undefined where the tree has none. */
    find(way) {
      return way.reduce((at, row) => (at === undefined ? at : (this.kids[at] || []).find((kid) => [2, 3, 7].every((part) => this.nodes[kid][part] === row[part]))), 0);
    }

    /** Number before -> number now of the tokens that are still there; null where each kept its own. */
    movedFrom(nodes) {
      const equal = (a, b) => Boolean(a && b) && a[1] === b[1] && a[2] === b[2] && a[3] === b[3] && a[7] === b[7];
      if (nodes.every((row, i) => equal(row, this.nodes[i]))) return null;
      const key = (parent, row) => JSON.stringify([parent, row[2], row[3], row[7]]);
      const here = new Map(this.nodes.filter(Boolean).map((row) => [key(row[1], row), row[0]]));
      const moved = new Map();
      for (const row of nodes) {
        const now = row && (row[1] < 0 ? 0 : moved.has(row[1]) ? here.get(key(moved.get(row[1]), row)) : undefined);
        if (row && now !== undefined) moved.set(row[0], now);
      }
      return moved;
    }

    take(line) {
      if (!line) return;
      this.numbering = line.numbering || (line.s && line.s.numbering) || this.numbering;
      if (line.v !== undefined) this.header = line;
      else if (line.n) for (const row of line.n) this.put(row);
      else if (line.runs) this.runs = line.runs;
      else if (line.marks) this.marks = { bookmarks: new Set(line.marks.bookmarks || []), notes: byNode(line.marks.notes), tags: byNode(line.marks.tags) };
      else if (line.s) this.status = line.s;
      else if (line.export) this.exported = line.export;
    }

    put(row) {
      const [index, parent] = row;
      if (!this.nodes[index]) {
        this.kids[index] = this.kids[index] || [];
        if (parent >= 0) (this.kids[parent] = this.kids[parent] || []).push(index);
      }
      this.nodes[index] = row;
    }

    /** What follows from all nodes: order from the root, depth, log p of the path, the shown run's path, the children's order. */
    derive() {
      const count = this.nodes.length;
      this.depth = new Int32Array(count);
      this.phi = new Float64Array(count);
      this.runsAt = new Map();
      this.onRun = new Uint8Array(count); // 1 on some run's path, 2 on the shown run's
      this.order = this.nodes[0] ? [0] : [];
      for (let at = 0; at < this.order.length; at += 1) {
        const node = this.order[at];
        for (const child of this.kids[node] || []) {
          this.depth[child] = this.depth[node] + 1;
          this.phi[child] = this.phi[node] + (this.nodes[child][3] ?? -Infinity);
          this.order.push(child);
        }
      }
      for (const run of this.runs) {
        if (!this.nodes[run.end]) continue;
        this.runsAt.set(run.end, [...(this.runsAt.get(run.end) || []), run]);
        for (const node of this.path(run.end)) this.onRun[node] = Math.max(this.onRun[node], run.current ? 2 : 1);
      }
      this.runPath = this.current && this.nodes[this.current.end] ? this.path(this.current.end).slice(1) : [];
      this.runThrough = new Map(); // a token that only other runs pass -> the first of them
      for (const run of this.runs) if (!run.current && this.nodes[run.end]) for (const node of this.path(run.end)) if (this.onRun[node] === 1 && !this.runThrough.has(node)) this.runThrough.set(node, run);
      this.placeOnRun = new Map(this.runPath.map((node, i) => [node, i]));
      this.ordered = this.kids.map((kids, node) => this.arrange(kids || [], node));
      const leaves = (this.status && this.status.leaves) || [];
      this.limited = new Set(leaves.filter((leaf) => !leaf.finished).map((leaf) => leaf.node));
      // a growth under way tells only its latest; those told before stay
      const before = this.growing && this.kept ? [...this.kept] : [];
      this.kept = new Set([...new Set([...before, ...leaves.map((leaf) => leaf.node)])].slice(0, ANSWERS_KEPT));
    }

    /** Children as they stand: first the one that goes straight on (it keeps that place), then by probability. */
    arrange(kids, node) {
      if (kids.length < 2) return kids;
      const sorted = [...kids].sort((a, b) => (this.nodes[b][3] ?? -Infinity) - (this.nodes[a][3] ?? -Infinity) || a - b);
      const first = kids.find((kid) => this.onRun[kid] === 2) ?? this.firsts.get(node) ?? sorted[0];
      this.firsts.set(node, first);
      return [first, ...sorted.filter((kid) => kid !== first)];
    }

    has(node) {
      return Boolean(this.nodes[node]);
    }
    parent(node) {
      return this.nodes[node][1];
    }
    children(node) {
      return this.ordered[node] || [];
    }
    flag(node, name) {
      return (this.nodes[node][6] & FLAGS[name]) !== 0;
    }
    /** Probability given the parent; 1 at the root, 0 where it cannot be. */
    probability(node) {
      if (this.parent(node) < 0) return 1;
      const logprob = this.nodes[node][3];
      return logprob === null ? 0 : Math.exp(logprob);
    }
    entropy(node) {
      return this.nodes[node][4];
    }
    rest(node) {
      return this.nodes[node][5];
    }
    bookmarked(node) {
      return this.marks.bookmarks.has(node);
    }
    note(node) {
      return this.marks.notes.get(node) || "";
    }
    tags(node) {
      return this.marks.tags.get(node) || [];
    }
    /** Whether a reader put anything at this token. */
    marked(node) {
      return this.marks.bookmarks.has(node) || this.marks.notes.has(node) || this.marks.tags.has(node);
    }
    /** The sign of what a reader put at this token; "" for nothing. */
    markOf(node) {
      return this.bookmarked(node) ? "★" : this.note(node) ? "✎" : this.tags(node).length ? "#" : "";
    }

    /** All tokens in the order in which they are read: what follows a token before its siblings. */
    reading() {
      const out = [];
      const stack = this.size ? [0] : [];
      while (stack.length) {
        out.push(stack.pop());
        stack.push(...[...this.children(out[out.length - 1])].reverse());
      }
      return out;
    }

    /** Every tag with the tokens that have it, as they are read: [{tag, nodes}]; case does not count. */
    tagged() {
      const found = new Map();
      for (const node of this.reading()) {
        for (const tag of this.tags(node)) {
          const key = tag.toLowerCase();
          if (!found.has(key)) found.set(key, { tag, nodes: [] });
          found.get(key).nodes.push(node);
        }
      }
      return [...found.values()].sort((a, b) => a.tag.localeCompare(b.tag));
    }
    /** Tokens that pruning leaves alone whatever their share; the first leaves of a growth are among them, prefixes too. */
    stays(node) {
      return this.onRun[node] > 0 || this.kept.has(node) || this.flag(node, "forced") || this.marked(node);
    }

    /** The node of the shown run's i-th token, the root for one that stands in it; undefined for none. */
    nodeOfToken(i) {
      if (!Number.isInteger(i) || i < 0) return undefined;
      return i < this.offset ? 0 : this.runPath[i - this.offset];
    }
    /** Index in the shown run of the token at a node; undefined where the run does not pass. */
    tokenAt(node) {
      if (node === 0 && this.offset) return this.offset - 1;
      const at = this.placeOnRun.get(node);
      return at === undefined ? undefined : at + this.offset;
    }

    /** Nodes from the root to this one. */
    path(node) {
      const out = [];
      for (let at = node; at >= 0 && this.nodes[at]; at = this.nodes[at][1]) out.push(at);
      return out.reverse();
    }

    /** The nodes along the best children from here to a leaf, this one left out. */
    onward(node) {
      const out = [];
      for (let at = this.children(node)[0]; at !== undefined; at = this.children(at)[0]) out.push(at);
      return out;
    }

    /** The first token of a run that the shown run does not share; its end where it shares all. */
    leaving(run) {
      return this.path(run.end).find((node) => this.onRun[node] === 1 && this.runThrough.get(node) === run) ?? run.end;
    }

    /** Deepest node that lies on both paths. */
    meeting(a, b) {
      const other = new Set(this.path(b));
      return this.path(a).filter((node) => other.has(node)).pop();
    }

    /**
     * Share of every node at its fork (Float64Array by index): product of probabilities since leaving the nearest run's
     * path, a token that a person put there, or `start`; 1 on those.
     */
    shares(start) {
      const out = new Float64Array(this.nodes.length);
      for (const node of this.order) {
        const above = this.parent(node);
        const anew = node === start || above < 0 || this.onRun[node] > 0 || this.flag(node, "forced");
        out[node] = anew ? 1 : out[above] * this.probability(node);
      }
      return out;
    }

    /** One line that names a token. */
    label(node, keepSpace) {
      const [, parent, text, , , , , hex] = this.nodes[node];
      if (parent < 0) return this.rootLabel();
      if (hex && (!text || /^\ufffd+$/.test(text))) return `⟨${hex}⟩`;
      return format.label(text, keepSpace);
    }
    rootLabel() {
      const text = (this.header && this.header.root && this.header.root.text) || "";
      const chars = [...text.trimEnd()];
      return chars.length ? format.label(`${chars.length > 20 ? "…" : ""}${chars.slice(-20).join("").replace(chars.length > 20 ? /^\S{0,12}\s/ : /^$/, "")}`) : "Start";
    }

    /** The text of a path as a reader reads it: the token that completes a character carries it whole, control tokens are left out. */
    pathText(nodes) {
      let out = "";
      let bytes = [];
      for (const node of nodes) {
        const [, parent, text, , , , , hex] = this.nodes[node];
        if (parent < 0 || this.flag(node, "control")) continue;
        if (hex && !text) { bytes.push(hex); continue; }
        bytes = [];
        out += text;
      }
      return bytes.length ? `${out}⟨${bytes.join(" ")}⟩` : out;
    }

    /** Chains of single children among `kids(node)`, from `start` down: [{head, nodes}] with at least `least` nodes that are `plain`. */
    segments(start, kids, plain, least) {
      const out = [];
      const heap = [start];
      while (heap.length) {
        const head = heap.pop();
        const nodes = [];
        let at = head;
        for (let next = kids(at); ; next = kids(at)) {
          if (plain(at)) nodes.push(at);
          else { if (nodes.length >= least) out.push({ head: nodes[0], nodes: [...nodes] }); nodes.length = 0; }
          if (next.length !== 1) { heap.push(...next); break; }
          at = next[0];
        }
        if (nodes.length >= least) out.push({ head: nodes[0], nodes });
      }
      return out;
    }
  }

  Forklore.TreeData = TreeData;
})();
