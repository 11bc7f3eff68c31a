/** s-checkbox, s-switch, s-choice-list, s-choice. */
import { define, flag, FOCUS_RING, PolarisElement, text, type Attrs } from "./core";
import { Field, FIELD_ATTRS, FIELD_CSS } from "./field";
import { iconSvg } from "./media";

const TICK = `url("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16' fill='none' stroke='white' stroke-width='2' stroke-linecap='round' stroke-linejoin='round'%3E%3Cpath d='M4 8.3 6.8 11 12 5.4'/%3E%3C/svg%3E")`;
const DASH = `url("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16' stroke='white' stroke-width='2' stroke-linecap='round'%3E%3Cpath d='M4.5 8h7'/%3E%3C/svg%3E")`;

const MARK_CSS = `
  input { appearance: none; flex: none; margin: 2px 0; inline-size: 16px; block-size: 16px; cursor: pointer; background: var(--p-color-input-bg-surface) center/100% no-repeat; border: 0.66px solid var(--p-color-input-border); }
  input[type="checkbox"] { border-radius: 4px; }
  input[type="radio"] { border-radius: 50%; }
  input:hover { border-color: var(--p-color-input-border-hover); background-color: var(--p-color-input-bg-surface-hover); }
  input:focus-visible { ${FOCUS_RING} }
  input[type="checkbox"]:checked { background-color: var(--p-color-bg-fill-brand); border-color: var(--p-color-bg-fill-brand); background-image: ${TICK}; }
  input[type="checkbox"]:indeterminate { background-color: var(--p-color-bg-fill-brand); border-color: var(--p-color-bg-fill-brand); background-image: ${DASH}; }
  input[type="radio"]:checked { border: 5px solid var(--p-color-bg-fill-brand); background: #fff; }
  input:disabled { cursor: default; background-color: var(--p-color-checkbox-bg-surface-disabled); border-color: transparent; }
  .row { display: flex; gap: 8px; align-items: flex-start; }
  .row label { cursor: pointer; }
  .under { padding-inline-start: 24px; }
`;

const under = `
  <div class="details under" id="details"><slot name="details"></slot></div>
  <div class="error under" id="error" hidden>${iconSvg("alert-circle")}<span></span><slot name="error"></slot></div>`;

/** On or off, with a value that is sent only while on. */
abstract class Toggle extends Field {
  static override attrs: Attrs = {
    ...FIELD_ATTRS,
    value: text("on"),
    checked: flag(),
    accessibilityLabel: text(),
  };
  private state: boolean | null = null;

  protected get control(): HTMLInputElement {
    return this.el<HTMLInputElement>("#control");
  }

  get checked(): boolean {
    return this.state ?? this.has("checked");
  }

  set checked(on: boolean) {
    this.state = Boolean(on);
    if (this.root.querySelector("#control")) this.update();
  }

  get defaultChecked(): boolean {
    return this.has("checked");
  }

  set defaultChecked(on: boolean) {
    this.toggleAttribute("checked", on);
  }

  protected abstract template(): string;

  protected build(): void {
    this.root.innerHTML = this.template();
    this.watchSlots();
    const control = this.control;
    control.addEventListener("input", (event) => event.stopPropagation());
    control.addEventListener("change", () => {
      this.state = control.checked;
      this.update();
      this.emit("input", { bubbles: true });
      this.emit("change", { bubbles: true });
    });
  }

  protected override update(changed?: string): void {
    if (changed === "checked") this.state = this.has("checked");
    const control = this.control;
    this.decorate(control);
    control.disabled = this.has("disabled");
    control.checked = this.checked;
    const value = this.getAttribute("value") ?? "on";
    this.submitValue(this.has("name") && this.checked ? value : null, !this.checked, control);
  }

  protected override reset(): void {
    this.state = null;
    this.update();
  }
}

class SCheckbox extends Toggle {
  static override attrs: Attrs = { ...Toggle.attrs, indeterminate: flag() };
  static override css = `${FIELD_CSS} ${MARK_CSS}`;

  protected template(): string {
    return `<div class="field"><div class="row"><input type="checkbox" id="control"><label class="label" for="control"></label></div>${under}</div>`;
  }

  protected override update(changed?: string): void {
    super.update(changed);
    this.control.indeterminate = this.has("indeterminate") && !this.checked;
  }
}

class SSwitch extends Toggle {
  static override css = `
    ${FIELD_CSS}
    .row { display: flex; gap: 8px; align-items: flex-start; }
    .row label { cursor: pointer; }
    input { appearance: none; flex: none; position: relative; margin: 2px 0; inline-size: 28px; block-size: 16px; border-radius: 8px; cursor: pointer; background: var(--p-color-icon-secondary); transition: background 120ms; }
    input::after { content: ""; position: absolute; inset-block-start: 2px; inset-inline-start: 2px; inline-size: 12px; block-size: 12px; border-radius: 50%; background: #fff; transition: translate 120ms; }
    input:checked { background: var(--p-color-bg-fill-brand); }
    input:checked::after { translate: 12px; }
    input:focus-visible { ${FOCUS_RING} }
    input:disabled { background: var(--p-color-bg-fill-selected); cursor: default; }
    .under { padding-inline-start: 36px; }
  `;

  protected template(): string {
    return `<div class="field"><div class="row"><input type="checkbox" role="switch" id="control"><label class="label" for="control"></label></div>${under}</div>`;
  }
}

class SChoice extends PolarisElement {
  static override attrs: Attrs = { value: text(), selected: flag(), disabled: flag(), accessibilityLabel: text() };
  static override delegatesFocus = true;
  static override css = `
    :host { display: block; }
    ${MARK_CSS}
    .details { color: var(--p-color-text-secondary); padding-inline-start: 24px; }
    .secondary { padding: 4px 0 4px 24px; }
    .secondary[hidden] { display: none; }
  `;
  private on: boolean | null = null;

  get control(): HTMLInputElement {
    return this.el<HTMLInputElement>("input");
  }

  get selected(): boolean {
    return this.on ?? this.has("selected");
  }

  set selected(on: boolean) {
    this.on = Boolean(on);
    if (this.root.querySelector("input")) this.update();
  }

  /** Its value, or its words where the page gave none. */
  get key(): string {
    return this.getAttribute("value") ?? (this.textContent ?? "").trim();
  }

  private get list(): SChoiceList | null {
    return this.closest<SChoiceList>("s-choice-list");
  }

  protected build(): void {
    this.root.innerHTML = `
      <div class="row"><input id="control" type="radio" aria-describedby="details"><label for="control"><slot></slot></label></div>
      <div class="details" id="details"><slot name="details"></slot></div>
      <div class="secondary" hidden><slot name="secondary-content"></slot></div>`;
    this.control.addEventListener("input", (event) => event.stopPropagation());
    this.control.addEventListener("change", () => this.list?.picked(this, this.control.checked));
    this.control.addEventListener("keydown", (event) => this.list?.arrow(this, event));
  }

  override update(changed?: string): void {
    if (changed === "selected") this.on = this.has("selected");
    const list = this.list;
    const control = this.control;
    control.type = list?.hasAttribute("multiple") ? "checkbox" : "radio";
    control.checked = this.selected;
    control.disabled = this.has("disabled") || (list?.hasAttribute("disabled") ?? false);
    this.el<HTMLElement>(".secondary").hidden = !this.selected;
    const label = this.str("accessibilitylabel");
    if (label) control.setAttribute("aria-label", label);
  }
}

class SChoiceList extends Field {
  static override attrs: Attrs = {
    label: text(),
    details: text(),
    error: text(),
    name: text(),
    multiple: flag(),
    disabled: flag(),
    labelAccessibilityVisibility: text("visible"),
  };
  static override delegatesFocus = false;
  static override css = `${FIELD_CSS} .choices { display: flex; flex-direction: column; gap: 4px; }`;
  private wanted: string[] | null = null;
  private readonly watcher = new MutationObserver(() => this.apply());

  get values(): string[] {
    return this.choices().length > 0 ? this.choices().filter((choice) => choice.selected).map((choice) => choice.key) : (this.wanted ?? []);
  }

  set values(values: string[] | null | undefined) {
    this.wanted = [...(values ?? [])];
    this.apply();
  }

  protected build(): void {
    this.root.innerHTML = `
      <div class="field" role="radiogroup">
        <span class="label" id="label"></span>
        <div class="choices"><slot></slot></div>
        <div class="details" id="details"><slot name="details"></slot></div>
        <div class="error" id="error" hidden>${iconSvg("alert-circle")}<span></span><slot name="error"></slot></div>
      </div>`;
    this.el(".field").setAttribute("aria-labelledby", "label");
    this.watchSlots();
    this.watcher.observe(this, { childList: true });
    this.el<HTMLSlotElement>(".choices slot").addEventListener("slotchange", () => this.apply());
  }

  protected override update(): void {
    const group = this.el<HTMLElement>(".field");
    group.setAttribute("role", this.has("multiple") ? "group" : "radiogroup");
    this.decorate(group);
    this.apply();
  }

  protected override reset(): void {
    this.wanted = null;
    for (const choice of this.choices()) choice.selected = choice.hasAttribute("selected");
    this.apply();
  }

  /** A choice was pressed. */
  picked(choice: SChoice, on: boolean): void {
    const many = this.has("multiple");
    const values = many
      ? this.choices().filter((other) => (other === choice ? on : other.selected)).map((other) => other.key)
      : [choice.key];
    this.wanted = values;
    this.apply();
    this.emit("input", { bubbles: true });
    this.emit("change", { bubbles: true });
  }

  /** Arrow keys move and choose among radios: each sits in its own shadow root, so the browser does not. */
  arrow(from: SChoice, event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    if (step === undefined || this.has("multiple")) return;
    event.preventDefault();
    const open = this.choices().filter((choice) => !choice.control.disabled);
    const next = open[(open.indexOf(from) + step + open.length) % open.length];
    if (!next) return;
    this.picked(next, true);
    next.control.focus();
  }

  private choices(): SChoice[] {
    return [...this.querySelectorAll<SChoice>("s-choice")].filter((choice) => choice instanceof SChoice);
  }

  private apply(): void {
    const choices = this.choices();
    if (this.wanted) for (const choice of choices) choice.selected = this.wanted.includes(choice.key);
    const many = this.has("multiple");
    const first = choices.find((choice) => choice.selected) ?? choices.find((choice) => !choice.hasAttribute("disabled"));
    for (const choice of choices) {
      if (!choice.isConnected || !choice.shadowRoot?.querySelector("input")) continue;
      choice.update();
      choice.control.tabIndex = many || choice === first ? 0 : -1;
    }
    const name = this.str("name");
    const data = new FormData();
    for (const value of choices.filter((choice) => choice.selected).map((choice) => choice.key)) data.append(name, value);
    this.internals.setFormValue(name ? data : null);
  }
}

export function defineChoices(): void {
  define("s-checkbox", SCheckbox);
  define("s-switch", SSwitch);
  define("s-choice-list", SChoiceList);
  define("s-choice", SChoice);
}

