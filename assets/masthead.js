// Masthead, notice and example strip: the small fixed pieces around the instrument.
// Know their own JSON; do not know runs, scores or the server.
(() => {
  'use strict';
  const Forklore = (window.Forklore = window.Forklore || {});

  const make = (parent, tag, className, text) => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = Forklore.dom.shown(text);
    parent.append(node);
    return node;
  };
  const parse = (text, fallback) => {
    try { return JSON.parse(text || ''); } catch { return fallback; }
  };

  // ------------------------------------------------------------------ light and dark
  const THEME_KEY = 'forklore-theme';
  const isDark = () => document.body.classList.contains('dark');
  const applyTheme = (dark) => {
    document.body.classList.toggle('dark', dark);
  };
  const rememberedTheme = () => {
    try { return localStorage.getItem(THEME_KEY); } catch { return null; }
  };

  Forklore.mountMasthead = ({ element, props, watch }) => {
    const root = element.querySelector('.fl-piece');
    root.classList.add('fl-masthead');
    const brand = make(root, 'a', 'fl-brand', 'Forklore');
    brand.href = './';
    brand.title = 'Forklore: where a language model could have said something else';
    const chip = make(root, 'span', 'fl-model-chip');
    chip.setAttribute('role', 'status');
    const dot = make(chip, 'i', 'fl-model-dot');
    dot.setAttribute('aria-hidden', 'true');
    const words = make(chip, 'span');
    const saved = make(chip, 'span', 'fl-saved');
    const bar = make(chip, 'progress', 'fl-model-progress');
    bar.max = 1;
    bar.setAttribute('aria-label', 'Model loading');
    const who = Forklore.who();
    root.append(who.root);
    const theme = make(root, 'button', 'fl-theme-switch');
    theme.type = 'button';
    const label = () => {
      theme.textContent = isDark() ? 'Light' : 'Dark';
      theme.setAttribute('aria-label', isDark() ? 'Switch to light' : 'Switch to dark');
    };
    theme.addEventListener('click', () => {
      applyTheme(!isDark());
      try { localStorage.setItem(THEME_KEY, isDark() ? 'dark' : 'light'); } catch { /* private window */ }
      label();
    });
    const asked = new URLSearchParams(location.search).get('__theme');
    const kept = rememberedTheme();
    if (!asked && kept) applyTheme(kept === 'dark');
    label();

    let said = null;
    const draw = () => {
      if (props.value === said) return;
      said = props.value;
      const state = parse(props.value, { status: 'empty', message: 'No model' });
      who.draw(state.who);
      root.dataset.status = state.status;
      chip.dataset.status = state.status;
      words.textContent = Forklore.dom.shown(state.message || '');
      chip.title = Forklore.dom.shown(state.message || '');
      saved.hidden = !state.saved;
      if (state.saved) {
        saved.textContent = `· ${Forklore.dom.shown(state.saved.text)}`;
        saved.dataset.late = String(state.saved.late);
        chip.title += ` · ${Forklore.dom.shown(state.saved.text)}`;
      }
      bar.hidden = state.status !== 'loading';
      if (typeof state.fraction === 'number') bar.value = state.fraction;
      else bar.removeAttribute('value');
    };
    watch('value', draw);
    draw();
  };

  Forklore.mountNotice = ({ element, props, watch }) => {
    const root = element.querySelector('.fl-piece');
    root.classList.add('fl-notice');
    root.setAttribute('role', 'alert');
    const words = make(root, 'span', 'fl-notice-words');
    const close = make(root, 'button', 'fl-notice-close', '×');
    close.type = 'button';
    close.setAttribute('aria-label', 'Close this message');
    // emptied as well, so that the same sentence can come again
    const hide = () => { root.hidden = true; props.value = ''; };
    close.addEventListener('click', hide);
    root.addEventListener('keydown', (event) => { if (event.key === 'Escape') hide(); });
    const draw = () => {
      words.textContent = Forklore.dom.shown(props.value || '');
      root.hidden = !props.value;
    };
    watch('value', draw);
    draw();
  };

  const ABOUT = 'See where a language model could have said something else: every token with its uncertainty, its rivals and how it was drawn.';

  Forklore.mountExampleStrip = ({ element, props, watch, trigger }) => {
    const root = element.querySelector('.fl-piece');
    root.classList.add('fl-strip');
    root.setAttribute('role', 'group');
    root.setAttribute('aria-label', 'Example runs');
    const draw = () => {
      const { examples = [], current = '', sessions = [] } = parse(props.value, {});
      root.replaceChildren();
      root.hidden = examples.length === 0;
      make(root, 'p', 'fl-strip-about', ABOUT);
      if (examples.length) make(root, 'span', 'fl-strip-label', 'Examples');
      for (const example of examples) {
        const link = make(root, 'a', 'fl-strip-item', example.title);
        link.href = `?run=${encodeURIComponent(example.uid)}`;
        link.title = Forklore.dom.shown(example.prompt || '');
        link.dataset.uid = example.uid;
        if (example.uid === current) link.setAttribute('aria-current', 'true');
        link.addEventListener('click', (event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          for (const other of root.querySelectorAll('[aria-current]')) other.removeAttribute('aria-current');
          link.setAttribute('aria-current', 'true');
          trigger('run_open', { uid: example.uid });
        });
      }
      for (const session of sessions) {
        const link = make(root, 'a', 'fl-strip-item fl-strip-session', 'An annotation session');
        link.href = `?session=${encodeURIComponent(session)}`;
        link.title = 'A finished annotation session: agreement, and which score predicts the labels (simulated annotators)';
        link.addEventListener('click', (event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          trigger('session_show', { session });
        });
      }
    };
    // whatever run is on show now, an example's mark must not outlive it
    document.addEventListener('fl:select', (event) => {
      for (const link of root.querySelectorAll('.fl-strip-item[data-uid]')) {
        if (link.dataset.uid === event.detail.run) link.setAttribute('aria-current', 'true');
        else link.removeAttribute('aria-current');
      }
    });
    watch('value', draw);
    draw();
  };
})();
