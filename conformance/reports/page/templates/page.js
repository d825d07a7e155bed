"use strict";
// Without this script everything is on the page, one section below the other.

document.documentElement.classList.add("scripted");

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// Sections as tabs: https://www.w3.org/WAI/ARIA/apg/patterns/tabs/

const tabs = [...document.querySelectorAll(".tabs a")];
const panels = tabs.map((tab) => document.querySelector(tab.hash));

function show(index) {
  tabs.forEach((tab, each) => {
    tab.setAttribute("aria-selected", each === index);
    tab.tabIndex = each === index ? 0 : -1;
    panels[each].hidden = each !== index;
  });
}

function choose(index) {
  show(index);
  tabs[index].focus();
  history.replaceState(null, "", tabs[index].hash);
}

tabs[0].parentElement.setAttribute("role", "tablist");
tabs.forEach((tab, index) => {
  tab.id = `tab-${panels[index].id}`;
  tab.setAttribute("role", "tab");
  tab.setAttribute("aria-controls", panels[index].id);
  panels[index].setAttribute("role", "tabpanel");
  panels[index].setAttribute("aria-labelledby", tab.id);
  tab.addEventListener("click", (event) => {
    event.preventDefault();
    choose(index);
  });
  tab.addEventListener("keydown", (event) => {
    const [count, { key }] = [tabs.length, event];
    const [next, previous] = [(index + 1) % count, (index + count - 1) % count];
    const to = { ArrowRight: next, ArrowLeft: previous, Home: 0, End: count - 1, " ": index }[key];
    if (to !== undefined) {
      event.preventDefault();
      choose(to);
    }
  });
});
show(Math.max(0, tabs.findIndex((tab) => tab.hash === location.hash)));

// The verdicts: a group of requirements folds, unless something in it does not hold.

const folds = [...document.querySelectorAll(".matrix .fold")].map((name) => {
  const body = name.closest("tbody");
  const rows = body.querySelectorAll(".requirement");
  const button = make("button", { type: "button", className: "fold", textContent: name.textContent });
  const unfold = (open) => {
    button.setAttribute("aria-expanded", open);
    for (const row of rows) row.hidden = !open;
  };
  button.addEventListener("click", () => unfold(button.getAttribute("aria-expanded") !== "true"));
  name.replaceWith(button);
  unfold(body.classList.contains("bad"));
  return unfold;
});
document.querySelector("#unfold")?.addEventListener("click", ({ currentTarget: button }) => {
  const open = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", open);
  for (const unfold of folds) unfold(open);
});

// What a cell opens gets the focus; the browser gives it back.

for (const detail of document.querySelectorAll(".detail")) {
  detail.addEventListener("toggle", ({ newState }) => newState === "open" && detail.querySelector(".close").focus());
}

// The source: two programs of a kind, run of lines by run of lines.

const ALIKE = 3; // lines that are left of what is folded, above and below
const SIDES = ["left", "right"];

const chosen = Object.fromEntries(
  ["kind", "left", "right", "fold"].map((id) => [id, document.querySelector(`#${id}`)]),
);

function programs() {
  return [...document.querySelector(`.kind[data-kind="${chosen.kind.value}"]`).querySelectorAll(".program")];
}

function offerPrograms() {
  const names = programs().map((program) => program.dataset.target);
  [chosen.left, chosen.right].forEach((select, side) => {
    const before = select.selectedOptions[0]?.text;
    select.replaceChildren(...names.map((name, index) => new Option(name, index)));
    const same = names.indexOf(before);
    select.selectedIndex = same >= 0 ? same : Math.min(side, names.length - 1);
  });
}

function runsOf(left, right, length) {
  const pairs = JSON.parse(document.querySelector(`.kind[data-kind="${chosen.kind.value}"]`).dataset.pairs);
  if (left === right) return [[0, length, 0, length, true]];
  const [, , runs] = pairs.find(([one, other]) => one === Math.min(left, right) && other === Math.max(left, right));
  return left < right ? runs : runs.map(([a, b, c, d, alike]) => [c, d, a, b, alike]);
}

function side(lines, start, end, classes, label = "") {
  const block = make("div", { className: `side ${classes}` });
  if (label && start < end) {
    block.setAttribute("role", "group");
    block.setAttribute("aria-label", label);
  }
  for (let index = start; index < end; index++) {
    const number = make("span", { className: "number", textContent: index + 1 });
    const sign = make("span", { className: "sign" });
    block.append(make("div", { className: "row" }, number, sign, lines[index].cloneNode(true)));
  }
  return block;
}

// What is said of them: `{name}` stands for the value of that name.

function said(text, values) {
  return JSON.parse(document.querySelector("#pair").dataset.texts)[text].replace(/{(\w+)}/g, (_, name) => values[name]);
}

function showPair() {
  const [left, right] = [Number(chosen.left.value), Number(chosen.right.value)];
  const names = [chosen.left, chosen.right].map((select) => select.selectedOptions[0].text);
  const [ours, theirs] = [left, right].map((index) => [...programs()[index].querySelectorAll(".line")]);
  const heads = names.map((name, index) => make("div", { className: `head ${SIDES[index]}`, textContent: name }));
  const pair = make("div", { className: "pair" }, ...heads);
  const count = { alike: 0, indented: 0, left: 0, right: 0 };
  const row = (a, c) => {
    const moved = ours[a].textContent !== theirs[c].textContent;
    count.alike += 1;
    count.indented += moved;
    const classes = moved ? "moved" : "same";
    return [side(ours, a, a + 1, `${classes} left`), side(theirs, c, c + 1, `${classes} right`)];
  };
  for (const [a, b, c, d, alike] of runsOf(left, right, ours.length)) {
    if (!alike) {
      count.left += b - a;
      count.right += d - c;
      pair.append(side(ours, a, b, "lit left", said("only", { name: names[0] })));
      pair.append(side(theirs, c, d, "lit right", said("only", { name: names[1] })));
      continue;
    }
    const rows = Array.from({ length: b - a }, (_, index) => row(a + index, c + index));
    const [first, last] = [a === 0 ? 0 : ALIKE, b === ours.length ? rows.length : rows.length - ALIKE];
    const folded = chosen.fold.checked && last - first > 1 ? rows.slice(first, last).flat() : [];
    rows.flat().forEach((each) => (each.hidden = folded.includes(each)));
    pair.append(...rows.flat());
    if (folded.length) {
      const textContent = said("alike", { count: folded.length / 2 });
      const button = make("button", { type: "button", className: "folded", textContent });
      button.addEventListener("click", () => {
        folded.forEach((each) => (each.hidden = false));
        button.remove();
      });
      folded[0].before(button);
    }
  }
  document.querySelector("#pair").replaceChildren(pair);
  const indented = count.indented ? said("indented", { count: count.indented }) : "";
  const rest = said("rest", { left: count.left, one: names[0], right: count.right, other: names[1] });
  document.querySelector("#alike").textContent = `${said("alike", { count: count.alike })}${indented}; ${rest}`;
}

if (chosen.kind) {
  const servers = [...chosen.kind.options].findIndex((option) => option.value === "tcp-server");
  chosen.kind.selectedIndex = Math.max(0, servers);
  offerPrograms();
  showPair();
  chosen.kind.addEventListener("change", () => {
    offerPrograms();
    showPair();
  });
  for (const each of [chosen.left, chosen.right, chosen.fold]) each.addEventListener("change", showPair);
}

// On paper each cause is open; afterwards it is as it was.

let closed = [];
addEventListener("beforeprint", () => {
  closed = [...document.querySelectorAll(".cause:not([open])")];
  for (const each of closed) each.open = true;
});
addEventListener("afterprint", () => {
  for (const each of closed) each.open = false;
});
