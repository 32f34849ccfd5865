// Where the tree of a run stands: in its own element, or taken by the instrument as one of its tabs.
// Makes the one piece and hands it the document; does not know what is drawn.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { el } = Forklore.dom;

  /** Draws the tree into `element`, unless the instrument has taken its root already; props.value is the document. */
  Forklore.mountBranches = ({ element, props, watch, trigger }) => {
    const { tree, root } = Forklore.branchesPiece;
    tree.trigger = trigger;
    if (!root.isConnected) (element.querySelector(".fl-piece") || element).replaceChildren(root);
    watch("value", () => tree.load(props.value));
    tree.load(props.value);
    const asked = tree.asked;
    if (asked && asked !== tree.data.run) { tree.asked = ""; tree.open(asked); }
    root.dataset.ready = "1";
    return tree;
  };

  const root = el("div", {});
  const tree = new Forklore.Branches(root);
  Forklore.branchesPiece = {
    root, tree, onSelect: null, onTake: null,
    open: (run) => tree.open(run),
    mark: (tokenIndex) => tree.mark(tokenIndex),
    /** For Forklore.registerPanel: the tree as a tab of the instrument, following its run and its selection. */
    panel: {
      id: "branches", label: "Branches", order: 30, needs: "branches",
      build(host, context) {
        host.append(root);
        Forklore.branchesPiece.onSelect = (i) => context.select(i);
        Forklore.branchesPiece.onTake = () => { context.awaiting = true; context.root.scrollIntoView({ block: "start" }); };
        const follow = () => tree.open(context.trace.stored ? context.trace.run : "");
        follow();
        tree.mark(context.place.state.pinned);
        return {
          update(change) {
            if (change.reset || change.data) follow();
            if (change.place) tree.mark(context.place.state.pinned);
          },
          shown() {
            if (tree.asked !== tree.data.run) tree.asked = ""; // a tree that did not come is asked for again
            follow();
            tree.resized();
          },
        };
      },
    },
  };
  Forklore.registerPanel(Forklore.branchesPiece.panel);
})();
