// The branching tree of a run: one selection over text, icicle, details and answers; keyboard, undo, and what is asked.
// Wires the parts; each knows how it looks. Lives in its own element, from where the instrument may adopt it.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { dom, format, observable, treeWords, treeKeys } = Forklore;
  const { el } = dom;
  const LEAST_HEIGHT = 220;
  const MOST_HEIGHT = 460;

  class Branches {
    constructor(root) {
      this.root = root;
      this.data = new Forklore.TreeData();
      this.shape = new Forklore.TreeShape(this.data);
      this.view = observable(treeKeys.recall());
      this.compared = [];
      this.asked = "";
      this.trigger = null;
      this.prefix = dom.uid("fl-branch");
      this.build();
      this.view.on((changed) => this.viewChanged(changed));
      this.frameUp();
    }

    build() {
      this.frame = el("div", { class: "fl-tr-frame", tabindex: "0", role: "tree", "aria-label": "Branching tree" });
      this.chips = new Forklore.TreeChips(this, this.frame);
      this.icicle = new Forklore.Icicle(this, this.frame);
      this.grow = new Forklore.TreeGrow(this);
      this.tools = new Forklore.TreeTools(this);
      this.detail = new Forklore.TreeDetail(this);
      this.answers = new Forklore.TreeAnswers(this);
      this.deeds = new Forklore.TreeDeeds(this);
      this.tip = new Forklore.TreeTip(this);
      this.help = treeKeys.help();
      this.live = el("div", { class: "fl-tr-sr", role: "status", "aria-live": "polite" });
      this.message = el("p", { class: "fl-tr-message" });
      this.frame.append(this.chips.root);
      this.root.classList.add("fl-tree", "fl-ramp-heat");
      this.body = el("div", { class: "fl-tr-body" }, this.tools.root, this.grow.state, this.frame, this.help, this.detail.root, this.answers.root);
      this.root.replaceChildren(this.message, this.body, this.tip.root, this.live);
      this.frame.addEventListener("scroll", () => { this.tip.hide(); this.drawing.paint(); }, { passive: true });
      this.frame.addEventListener("click", (event) => this.clicked(event));
      this.frame.addEventListener("dblclick", (event) => { const node = this.nodeOf(event.target); if (node >= 0) this.act("hoist", node); });
      treeKeys.attach(this);
      new ResizeObserver(() => this.resized()).observe(this.frame);
    }

    get selected() {
      return this.shape.state.selected;
    }
    get drawing() {
      return this.view.state.mode === "icicle" ? this.icicle : this.chips;
    }
    idOf(node) {
      return `${this.prefix}-${node}`;
    }
    way() {
      return this.data.has(this.selected) ? this.data.path(this.selected) : [];
    }
    tint(node) {
      return Forklore.treeTint.tintOf(this.view.state.colour, this.data, this.shape, node);
    }

    // ---- the document

    /** Takes the document as it is now; what the reader looks at stays at its place. */
    load(text) {
      const change = this.data.feed(text);
      if (change.kind === "none") return;
      this.root.classList.toggle("fl-tr-stale", this.asked !== "" && this.data.run !== "" && this.asked !== this.data.run);
      if (change.kind === "reset") {
        this.compared = [];
        this.frame.style.height = "";
        this.grow.close();
        this.shape.reset();
        this.frame.scrollTo(0, 0);
        this.settle();
        this.redraw(false);
        this.frameUp();
        this.reveal(this.selected);
      } else {
        if (change.place) this.renumber(change.place);
        this.shape.compute();
        this.redraw(true);
        this.frameUp();
      }
      this.saveExport();
      this.deeds.settle();
    }

    /** Tokens got other numbers: what the reader looks at is what it was. */
    renumber(place) {
      this.shape.renumber(place);
      this.compared = this.compared.map(place);
      this.markedNode = this.data.nodeOfToken(this.marked);
      this.grow.close();
      this.detail.closeEditor();
    }

    /** Where a tree that was just opened is looked at first: the shown run's first token, or the root. */
    settle() {
      const first = this.data.runPath[0];
      const told = this.data.nodeOfToken(this.marked);
      this.markedNode = told;
      if (first !== undefined) this.shape.state = { ...this.shape.state, selected: told ?? first };
    }

    /** Draws the layout anew; `hold` keeps the selected or the first visible token where it is on the screen. */
    redraw(hold) {
      const { frame } = this;
      const anchor = hold ? this.anchor() : null;
      const icicle = this.view.state.mode === "icicle";
      if (icicle) frame.style.height = `${MOST_HEIGHT}px`;
      this.drawing.layout();
      const height = Math.min(MOST_HEIGHT, Math.max(LEAST_HEIGHT, this.drawing.plan.height + 16));
      // it never grows smaller under the reader's hand
      if (!icicle && !(parseFloat(frame.style.height) >= height)) frame.style.height = `${height}px`;
      const now = anchor && this.drawing.box(anchor.node);
      const [left, top] = now ? [frame.scrollLeft + now.x - anchor.x, frame.scrollTop + now.y - anchor.y] : [frame.scrollLeft, frame.scrollTop];
      // the canvas has room for where the frame must be scrolled to
      const { plan, root } = this.drawing;
      root.style.width = `${Math.max(plan.width, now && left > 0 ? left + frame.clientWidth : 0)}px`;
      root.style.height = `${Math.max(plan.height, now && top > 0 ? top + frame.clientHeight : 0)}px`;
      if (now) frame.scrollTo(left, top);
      this.drawing.paint(true);
    }

    anchor() {
      const { frame, drawing } = this;
      const inside = (at) => at && at.x >= frame.scrollLeft - 4 && at.x < frame.scrollLeft + frame.clientWidth && at.y >= frame.scrollTop - 4 && at.y < frame.scrollTop + frame.clientHeight;
      const own = drawing.box(this.selected);
      const node = inside(own) ? this.selected : drawing.nearest(frame.scrollLeft, frame.scrollTop);
      const at = node === null ? null : drawing.box(node);
      return at ? { node, x: at.x, y: at.y } : null;
    }

    /** Everything around the drawing. */
    frameUp() {
      const { data } = this;
      const status = data.status;
      this.body.hidden = !data.size;
      this.message.hidden = data.size > 0;
      this.message.textContent = Forklore.dom.shown(!data.header && status && status.state === "failed" ? status.message : data.header || this.asked ? (status && status.message) || "Opening the tree…" : "The tree of a run appears here: the run, the branches that leave it, and what could have come instead.");
      this.refresh(true);
      this.root.dataset.tree = data.run;
      this.root.dataset.nodes = String(data.size);
      this.root.dataset.state = status ? status.state : "";
      this.frame.setAttribute("aria-busy", String(data.growing));
    }

    refresh(drawn = false) {
      this.tools.update();
      this.grow.update();
      this.detail.update();
      this.answers.update();
      if (!drawn) this.drawing.remark();
      this.pointAt();
    }

    pointAt() {
      const node = this.drawing.element(this.selected);
      if (node) this.frame.setAttribute("aria-activedescendant", node.id);
      else this.frame.removeAttribute("aria-activedescendant");
      this.root.dataset.selected = String(this.selected);
    }

    viewChanged(changed) {
      treeKeys.remember(this.view.state);
      if (changed.has("mode")) {
        this.frame.replaceChildren(this.drawing.root);
        this.frame.style.height = "";
        this.redraw(false);
        this.refresh(true);
        this.reveal(this.selected);
      } else {
        this.drawing.recolour();
        this.tools.update();
        this.detail.update();
      }
    }

    resized() {
      this.narrow = this.frame.clientWidth > 0 && this.frame.clientWidth < 640;
      if (!this.data.size || !this.frame.clientWidth) return;
      if (this.view.state.mode === "icicle") this.redraw(true);
      else this.drawing.paint();
      this.detail.update();
      this.pointAt();
    }

    // ---- what a reader sees and hears of a token

    describe(node) {
      return treeWords.describe(this.data, this.shape, node);
    }
    percentAt(node) {
      return treeWords.percentAt(this.data, this.shape, node);
    }
    marksOf(node) {
      const at = this.compared.indexOf(node);
      return [node === this.selected && "fl-tr-selected", node === this.markedNode && "fl-tr-told", at === 0 && "fl-tr-a", at === 1 && "fl-tr-b"].filter(Boolean);
    }

    say(text) {
      this.live.textContent = Forklore.dom.shown(text);
    }

    // ---- selection and steps

    nodeOf(target) {
      const at = target instanceof Element ? target.closest("[data-node]") : null;
      return at && this.frame.contains(at) ? Number(at.dataset.node) : -1;
    }

    clicked(event) {
      const pill = event.target instanceof Element ? event.target.closest(".fl-tr-pill") : null;
      if (pill) { this.pillClicked(pill.flPill); return; }
      const node = this.nodeOf(event.target);
      if (node >= 0) this.pick(node, "click");
    }
    pillClicked(pill) {
      if (pill.kind === "fold") this.act("fold", pill.node);
      else if (pill.kind === "chain") this.step({ opened: new Set([...this.shape.state.opened, pill.chain.head]) });
      else if (pill.kind === "run" && !pill.run.current) this.emit("run_open", { uid: pill.run.uid });
      else this.pick(pill.node, "click");
    }

    /** Selects a token, on show or not, and tells the instrument when it lies on the shown run. how: "click", "key", "walk" (one undo for a whole walk), "table", "told". */
    pick(node, how) {
      if (!this.data.has(node)) return;
      const patch = this.shape.revealing(node);
      // what the instrument says opens a chain, but undoes neither hoist nor fold
      if (how === "told" && patch && Object.keys(patch).some((key) => key !== "opened")) { this.refresh(); return; }
      const walks = (how === "walk" && !patch) || how === "told";
      if (node !== this.selected || patch) this.step({ selected: node, ...patch }, walks && this.walking);
      this.walking = walks;
      if (how !== "click") this.reveal(node);
      if (how === "told") return;
      this.say(this.describe(node).label);
      const at = this.data.tokenAt(node);
      if (at !== undefined) Forklore.branchesPiece.onSelect?.(at);
    }

    /** One step of the view, which undo takes back; deed as of the shape. */
    step(patch, amend, deed) {
      this.walking = false;
      this.shape.step(patch, amend, deed);
      this.after(Object.keys(patch).every((key) => key === "selected"));
    }
    travel(direction) {
      if (!this.deeds.travel(direction)) return;
      this.after(false);
      this.reveal(this.selected);
    }
    after(onlySelection) {
      if (!onlySelection) {
        const chain = this.shape.within.get(this.selected);
        if (chain) this.shape.step({ opened: new Set([...this.shape.state.opened, chain.head]) }, true);
        else if (!this.shape.drawn(this.selected)) this.shape.step({ selected: this.nearestShown(this.selected) }, true);
        this.redraw(true);
      }
      this.refresh(!onlySelection);
    }
    nearestShown(node) {
      const way = this.data.path(node);
      return way.reverse().find((at) => this.shape.drawn(at)) ?? this.shape.state.root;
    }

    /** Scrolls the frame, never the page, until a token can be seen with room around it. */
    reveal(node) {
      const { frame } = this;
      const at = this.drawing.box(node);
      if (!at) return;
      const [side, above] = [Math.min(90, frame.clientWidth / 5), 20];
      if (at.x < frame.scrollLeft + side) frame.scrollLeft = at.x - side;
      else if (at.x + at.w > frame.scrollLeft + frame.clientWidth - side) frame.scrollLeft = at.x + at.w + side - frame.clientWidth;
      if (at.y < frame.scrollTop + above) frame.scrollTop = at.y - above;
      else if (at.y + at.h > frame.scrollTop + frame.clientHeight - above) frame.scrollTop = at.y + at.h + above - frame.clientHeight;
      this.drawing.paint();
      this.pointAt();
    }

    // ---- what can be done with a token

    act(name, node) {
      if (!this.data.has(node)) return;
      if (node !== this.selected) this.pick(node, "key");
      ({
        fold: () => this.fold(node), hoist: () => this.hoist(node), compare: () => this.compare(node), expand: () => this.grow.open(node),
        bookmark: () => { if (node) this.deeds.mark(node, { bookmark: !this.data.bookmarked(node) }); },
        run: () => { const run = this.data.runThrough.get(node); if (run) this.emit("run_open", { uid: run.uid }); },
      })[name]();
    }

    /** Selects the next token with one of these, after the selected one as they are read. */
    goToNext(nodes) {
      const places = new Map(this.data.reading().map((node, i) => [node, i]));
      this.pick(nodes.find((node) => places.get(node) > places.get(this.selected)) ?? nodes[0], "key");
      this.focus();
    }

    fold(node) {
      if (!this.data.children(node).length) { this.say("Nothing follows this token."); return; }
      const folded = new Set(this.shape.state.folded);
      if (!folded.delete(node)) folded.add(node);
      this.step({ folded });
      this.say(folded.has(node) ? `Folded: ${format.count(this.shape.below.get(node) || 0)} tokens hidden.` : "Unfolded.");
    }

    hoist(node) {
      const { root, trail } = this.shape.state;
      if (node === root) { if (trail.length) this.back(trail.length - 1); return; }
      this.step({ root: node, trail: [...trail, root], selected: node });
      this.frame.scrollTo(0, 0);
      this.drawing.paint();
      this.say(`Only what follows “${this.data.label(node)}” is shown.`);
    }
    /** Back to step i of the trail of hoisted tokens. */
    back(i) {
      const { trail } = this.shape.state;
      this.step({ root: trail[i], trail: trail.slice(0, i) });
      this.reveal(this.selected);
      this.focus();
    }

    compare(node) {
      if (this.compared.length === 1 && this.compared[0] !== node) this.compared = [this.compared[0], node];
      else if (this.compared.length) { this.endComparison(); return; } else this.compared = [node];
      this.say(this.compared.length === 1 ? "First branch chosen; go to another one and press C." : "Two branches compared below the tree.");
      this.refresh();
    }
    endComparison() {
      this.compared = [];
      this.refresh();
      this.focus();
    }

    letGo() {
      if (!this.help.hidden) this.toggleHelp();
      else if (this.compared.length) this.endComparison();
    }
    toggleHelp() {
      this.help.hidden = !this.help.hidden;
      this.tools.help.setAttribute("aria-expanded", String(!this.help.hidden));
    }
    focus() {
      this.frame.focus({ preventScroll: true });
    }

    // ---- the server and the instrument

    emit(type, detail) {
      this.trigger?.(type, { run: this.data.run || this.asked, numbering: this.data.numbering, ...detail });
    }
    fileItems() {
      return Forklore.treeFiles.items(this);
    }
    askExport() {
      this.wanted = true;
      this.heldExport = this.data.exported;
      this.emit("tree_export", {});
    }
    saveExport() {
      const { exported } = this.data;
      if (!this.wanted || !exported || exported === this.heldExport) return;
      this.wanted = false;
      dom.download(exported.name, exported.text, "application/json");
      this.say(`Saved ${exported.name}.`);
    }

    /** Asks for the tree of a run, once for each run; "" while a run without a tree is on show. */
    open(run) {
      this.root.classList.toggle("fl-tr-stale", this.data.run !== "" && run !== this.data.run);
      if (!run || run === this.asked) return;
      this.asked = run;
      if (run === this.data.run || !this.trigger) return;
      this.trigger("tree_open", { run });
      this.frameUp();
    }

    /** Shows which token of the run the instrument has selected; -1 for none. */
    mark(tokenIndex) {
      this.marked = tokenIndex;
      const node = this.data.nodeOfToken(tokenIndex);
      if (node === this.markedNode) return;
      this.markedNode = node;
      if (node !== undefined && node !== this.selected) this.pick(node, "told");
      else if (this.data.size) this.drawing.remark();
    }
  }

  Forklore.Branches = Branches;
})();
