// Where the tokens of a tree go: a line of text runs on along best children, alternatives hang below the fork they leave.
// Pure geometry from a TreeShape and the widths of words; does not draw.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const ROW = 32;
  const TOP = 14;
  const LEFT = 14;
  const FORK = 24; // room for the lines between a token and its alternatives
  const BIN = 8;
  const NONE = 1e9;
  const PILL = 18;

  /** What stands behind a token: how it ends, the runs that end here, what is folded away. */
  function trailers(data, shape, node, measure) {
    const out = [];
    const pill = (kind, text, more) => out.push({ kind, text, w: measure(text, true) + PILL, node, ...more });
    if (shape.below.has(node) && shape.below.get(node)) pill("fold", `+${shape.below.get(node)}`);
    if (data.flag(node, "finished")) pill("end", "end");
    else if (data.limited.has(node)) pill("prefix", "… a prefix");
    for (const run of data.runsAt.get(node) || []) {
      const title = Forklore.format.cut(run.title || "Untitled run", 24);
      pill("run", `${title}${run.luck === "same" ? " · same luck" : run.luck === "fresh" ? " · fresh luck" : ""}`, { run });
    }
    return out;
  }

  /** One line of text from `head` on: tokens with x and width, the forks on it, the pills behind tokens. */
  function lineFrom(head, x, context) {
    const { data, shape, measure } = context;
    const line = { x0: x, x1: x, row: 0, items: [], pills: [], forks: [] };
    for (let node = head; node !== undefined;) {
      const label = data.label(node);
      const lead = line.items.length && /^ [^ ]/.test(data.nodes[node][2]) ? 5 : 1;
      const percent = node === shape.state.root ? "" : context.percentAt(node);
      const w = measure(label) + 6 + (data.marked(node) ? 15 : 0) + (percent ? measure(percent, true) + 7 : 0);
      const item = { node, label, percent, x: line.x1 + lead, w, line };
      line.items.push(item);
      context.items.set(node, item);
      line.x1 = item.x + w;
      for (const pill of trailers(data, shape, node, measure)) line.x1 = addPill(line, pill);
      const gap = shape.gapAfter.get(node);
      if (gap) line.x1 = addPill(line, { kind: "chain", node, chain: gap, text: `⋯ ${gap.middle.length} tokens ⋯`, w: measure(`⋯ ${gap.middle.length} tokens ⋯`, true) + PILL });
      const kids = gap ? [shape.firstDrawn(node)] : shape.kids(node);
      if (kids.length > 1) {
        line.x1 += FORK;
        line.forks.push({ node, kids, x: line.x1, from: item.x + w });
        // the text of a fork's first child begins right behind the lines, like that of the others
        line.x1 -= 1;
      }
      node = kids[0];
    }
    return line;
  }

  function addPill(line, pill) {
    const at = { ...pill, x: line.x1 + 7, line };
    line.pills.push(at);
    return at.x + at.w + 2;
  }

  const bin = (x) => Math.max(0, Math.floor(x / BIN));

  /** A block: a line with everything that hangs below it; top and bottom rows used in each bin of width, from bin `first` on. */
  function block(head, x, context) {
    const line = lineFrom(head, x, context);
    const own = { line, blocks: [], first: bin(x - FORK), top: [], bottom: [], offset: 0 };
    cover(own, bin(x), bin(line.x1), 0);
    for (const fork of [...line.forks].reverse()) {
      for (const child of fork.kids.slice(1)) {
        const below = block(child, fork.x, context);
        below.offset = place(own, below);
        below.fork = fork;
        merge(own, below);
        cover(own, bin(fork.x - FORK), bin(fork.x - FORK), below.offset);
        own.blocks.push(below);
      }
    }
    return own;
  }

  function cover(target, from, to, row) {
    for (let b = from - target.first; b <= to - target.first; b += 1) {
      target.top[b] = Math.min(target.top[b] ?? NONE, row);
      target.bottom[b] = Math.max(target.bottom[b] ?? -1, row);
    }
  }

  /** First row at which `below` fits under what `own` holds. */
  function place(own, below) {
    let row = 1;
    for (let b = 0; b < below.bottom.length; b += 1) {
      if (below.bottom[b] === undefined) continue;
      const used = own.bottom[b + below.first - own.first];
      if (used !== undefined) row = Math.max(row, used + 1 - below.top[b]);
    }
    return row;
  }

  function merge(own, below) {
    const shift = below.first - own.first;
    for (let b = 0; b < below.bottom.length; b += 1) {
      if (below.bottom[b] === undefined) continue;
      own.top[b + shift] = Math.min(own.top[b + shift] ?? NONE, below.top[b] + below.offset);
      own.bottom[b + shift] = Math.max(own.bottom[b + shift] ?? -1, below.bottom[b] + below.offset);
    }
  }

  /** Rows made absolute; lines and edges collected. */
  function settle(root) {
    const lines = [];
    const edges = [];
    const stack = [[root, 0]];
    while (stack.length) {
      const [own, row] = stack.pop();
      own.line.row = row;
      lines.push(own.line);
      for (const fork of own.line.forks) edges.push({ child: fork.kids[0], x0: fork.from, x1: fork.x + 1, row0: row, row1: row });
      for (const below of own.blocks) {
        edges.push({ child: below.line.items[0].node, x0: below.fork.from, x1: below.fork.x + 1, row0: row, row1: row + below.offset });
        stack.push([below, row + below.offset]);
      }
    }
    return { lines, edges };
  }

  /**
   * The whole layout: {items: Map node -> {node, label, percent, x, w, line}, lines: [{row, x0, x1, items, pills}],
   * edges: [{child, x0, x1, row0, row1}], width, height}. measure(text, small) -> pixels; percentAt(node) -> "38" or "".
   */
  function layout(data, shape, measure, percentAt) {
    const context = { data, shape, measure, percentAt, items: new Map() };
    if (!data.size) return { items: context.items, lines: [], edges: [], width: 0, height: 0 };
    const { lines, edges } = settle(block(shape.state.root, LEFT, context));
    lines.sort((a, b) => a.row - b.row || a.x0 - b.x0);
    const width = lines.reduce((most, line) => Math.max(most, line.x1), 0) + LEFT + 20;
    const rows = lines.reduce((most, line) => Math.max(most, line.row), 0) + 1;
    return { items: context.items, lines, edges, width, height: rows * ROW + 2 * TOP };
  }

  /** Middle of a row in pixels. */
  const middle = (row) => TOP + row * ROW + ROW / 2;

  /** The way from a token to an alternative: along, down, and along, with round corners. */
  function elbow({ x0, x1, row0, row1 }) {
    const [y0, y1] = [middle(row0), middle(row1)];
    const stem = x1 - FORK + 11;
    if (row0 === row1) return `M${x0} ${y0}H${x1}`;
    return `M${Math.min(x0, stem - 8)} ${y0}H${stem - 8}Q${stem} ${y0} ${stem} ${y0 + 8}V${y1 - 8}Q${stem} ${y1} ${stem + 8} ${y1}H${x1}`;
  }

  Forklore.treeLayout = { layout, middle, elbow, ROW, TOP, LEFT };
})();
