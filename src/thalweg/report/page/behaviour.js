(() => {
  "use strict";
  const root = document.documentElement;
  const all = (what, where = document) => [...where.querySelectorAll(what)];

  // Language and theme
  const speak = language => {
    root.lang = language;
    document.title = root.getAttribute("data-title-" + language) || document.title;
  };
  document.getElementById("language").addEventListener("click", () => speak(root.lang === "zh" ? "en" : "zh"));
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  document.getElementById("theme").addEventListener("click", () => {
    const now = root.dataset.theme || (dark.matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
  });

  // Linear or logarithmic
  for (const figure of all("figure.chart")) {
    for (const button of all("button[data-scale]", figure)) {
      button.addEventListener("click", () => {
        for (const other of all("button[data-scale]", figure)) other.setAttribute("aria-pressed", String(other === button));
        for (const plot of all(".plot", figure)) plot.hidden = plot.dataset.scale !== button.dataset.scale;
      });
    }
  }

  // The cursor: reads the table below a chart, or the values of a heat map
  const make = (name, inside, what = "div") => {
    const made = document.createElement(what);
    made.className = name;
    inside.append(made);
    return made;
  };
  const number = cell => {
    const text = cell.textContent.replace(/[,\s\u202f]/g, "");
    return text.endsWith("%") ? parseFloat(text) / 100 : parseFloat(text);
  };
  const place = (plot, share, tip) => {
    const wide = plot.clientWidth;
    const x = share * wide;
    const flip = x > wide / 2;
    tip.style.left = flip ? "auto" : x + 12 + "px";
    tip.style.right = flip ? wide - x + 12 + "px" : "auto";
  };

  const chartReader = figure => {
    const table = figure.querySelector("details table");
    if (!table) return null;
    const heads = all("thead th", table);
    const names = heads[0].parentNode.children.length;
    const rows = all("tbody tr", table).map(row => [...row.children]);
    const xs = rows.map(row => number(row[0]));
    const first = Number(figure.dataset.keys); // columns that say where, before those that say how much
    return {
      count: rows.length,
      nearest: (share, plot) => {
        const low = Number(plot.dataset.left), high = Number(plot.dataset.right);
        const x = low + share * (high - low);
        let best = 0;
        for (let k = 1; k < xs.length; k++) if (Math.abs(xs[k] - x) < Math.abs(xs[best] - x)) best = k;
        return best;
      },
      share: (k, plot) => (xs[k] - plot.dataset.left) / (plot.dataset.right - plot.dataset.left || 1),
      lines: k => {
        const said = [];
        for (let column = first; column < names; column++) {
          let found = -1;
          for (let j = 0; j < rows.length; j++) {
            const filled = rows[j][column].textContent !== "";
            if (filled && (found < 0 || Math.abs(xs[j] - xs[k]) < Math.abs(xs[found] - xs[k]))) found = j;
          }
          if (found >= 0) said.push([heads[column], rows[found][column].textContent, number(rows[found][column])]);
        }
        return said;
      },
      title: k => [heads[0], rows[k][0].textContent],
    };
  };

  const write = (tip, title, lines) => {
    tip.replaceChildren();
    const copy = (node, into) => { for (const child of node.childNodes) into.append(child.cloneNode(true)); };
    const head = make("when", tip);
    copy(title[0], head);
    head.append(" " + title[1]);
    for (const [name, value] of lines) {
      const line = make("line", tip);
      copy(name, make("name", line, "span"));
      make("number", line, "span").textContent = value;
    }
  };

  for (const figure of all("figure.chart[tabindex]")) {
    const reader = chartReader(figure);
    if (!reader || !reader.count) continue;
    let at = -1;
    const show = (k, plot) => {
      at = Math.max(0, Math.min(reader.count - 1, k));
      let tip = plot.querySelector(".tip");
      let rule = plot.querySelector(".rule");
      if (!tip) { rule = make("rule", plot); tip = make("tip", plot); tip.setAttribute("role", "status"); }
      const lines = reader.lines(at), share = reader.share(at, plot);
      write(tip, reader.title(at), lines);
      rule.style.left = share * 100 + "%";
      place(plot, share, tip);
      for (const old of all(".point", plot)) old.remove();
      const log = plot.dataset.scale === "log", f = v => (log ? Math.log10(v) : v);
      const low = f(Number(plot.dataset.low)), high = f(Number(plot.dataset.high));
      for (const [, , value] of lines) {
        const up = (f(value) - low) / (high - low);
        if (!(up >= 0 && up <= 1)) continue;
        const point = make("point", plot);
        point.style.left = share * 100 + "%";
        point.style.top = (1 - up) * 100 + "%";
      }
    };
    const hide = plot => { for (const old of all(".tip, .rule, .point", plot)) old.remove(); at = -1; };
    for (const plot of all(".plot", figure)) {
      plot.addEventListener("pointermove", event => {
        const box = plot.getBoundingClientRect();
        show(reader.nearest((event.clientX - box.left) / box.width, plot), plot);
      });
      plot.addEventListener("pointerleave", () => hide(plot));
    }
    figure.addEventListener("keydown", event => {
      const step = { ArrowRight: 1, ArrowLeft: -1, PageUp: 10, PageDown: -10 }[event.key];
      const plot = all(".plot", figure).find(one => !one.hidden);
      if (event.target !== figure || !plot) return;
      if (step) { event.preventDefault(); show(at < 0 ? 0 : at + step, plot); }
      if (event.key === "Escape") hide(plot);
    });
    figure.addEventListener("blur", () => all(".plot", figure).forEach(hide));
  }

  for (const figure of all("figure.heat")) {
    const plot = figure.querySelector(".plot");
    const layers = JSON.parse(plot.dataset.layers), steps = JSON.parse(plot.dataset.steps);
    const values = JSON.parse(plot.dataset.values), right = Number(plot.dataset.right) || 1;
    const unit = plot.querySelector(".unit"), drawing = plot.querySelector(".drawing");
    let column = -1, row = 0;
    const hide = () => { for (const old of all(".tip, .rule", plot)) old.remove(); column = -1; };
    const show = () => {
      for (const old of all(".tip, .rule", plot)) old.remove();
      const rule = make("rule", plot), tip = make("tip", plot);
      tip.setAttribute("role", "status");
      const share = Math.min(1, steps[column] / right), value = values[row][column];
      const name = document.createElement("span");
      name.textContent = layers[row];
      write(tip, [unit, String(steps[column])], [[name, value === null ? "–" : String(value)]]);
      rule.style.left = share * 100 + "%";
      place(plot, share, tip);
    };
    drawing.addEventListener("pointermove", event => {
      const box = drawing.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * right;
      column = steps.reduce((best, step, k) => (Math.abs(step - x) < Math.abs(steps[best] - x) ? k : best), 0);
      row = Math.max(0, Math.min(layers.length - 1, Math.floor(((event.clientY - box.top) / box.height) * layers.length)));
      show();
    });
    plot.addEventListener("pointerleave", hide);
    figure.addEventListener("blur", hide);
    figure.addEventListener("keydown", event => {
      const move = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
      if (event.target !== figure) return;
      if (event.key === "Escape") hide();
      if (!move) return;
      event.preventDefault();
      column = Math.max(0, Math.min(steps.length - 1, column + move[0]));
      row = Math.max(0, Math.min(layers.length - 1, row + move[1]));
      show();
    });
  }
})();
