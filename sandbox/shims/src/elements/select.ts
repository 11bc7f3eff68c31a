/** s-select with s-option and s-option-group. The options are mirrored into a native select. */
import { define, flag, PolarisElement, text, type Attrs } from "./core";
import { Field, FIELD_ATTRS, FIELD_CSS, fieldTemplate } from "./field";
import { iconSvg } from "./media";

class SOption extends PolarisElement {
  static override attrs: Attrs = { value: text(), disabled: flag(), selected: flag() };
  static override css = ":host{display:none}";

  protected build(): void {}
}

class SOptionGroup extends PolarisElement {
  static override attrs: Attrs = { label: text(), disabled: flag() };
  static override css = ":host{display:none}";

  protected build(): void {}
}

class SSelect extends Field {
  static override attrs: Attrs = { ...FIELD_ATTRS, value: text(), placeholder: text(), icon: text() };
  static override css = `
    ${FIELD_CSS}
    .box { padding-inline: 0; }
    .icon { position: absolute; inset-inline-start: 8px; pointer-events: none; }
    select.control { padding-inline: 12px 32px; cursor: pointer; border-radius: 8px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
    .iconic select.control { padding-inline-start: 36px; }
    .arrow { position: absolute; inset-inline-end: 8px; pointer-events: none; color: var(--p-color-icon-secondary); }
  `;
  private wanted: string | null = null;
  private readonly watcher = new MutationObserver(() => this.mirror());

  private get control(): HTMLSelectElement {
    return this.el<HTMLSelectElement>("#control");
  }

  get value(): string {
    const control = this.root.querySelector<HTMLSelectElement>("#control");
    return control ? control.value : (this.wanted ?? this.str("value"));
  }

  set value(value: string | null | undefined) {
    this.wanted = value ?? "";
    if (this.root.querySelector("#control")) this.choose();
  }

  protected build(): void {
    this.root.innerHTML = fieldTemplate(
      `<div class="box"><span class="affix icon"></span><select class="control" id="control"></select><span class="arrow">${iconSvg("select")}</span></div>`,
    );
    this.watchSlots();
    const control = this.control;
    control.addEventListener("input", (event) => event.stopPropagation());
    control.addEventListener("change", () => {
      this.wanted = control.value;
      this.store();
      this.emit("input", { bubbles: true });
      this.emit("change", { bubbles: true });
    });
    this.watcher.observe(this, { childList: true, subtree: true, attributes: true, characterData: true });
    this.mirror();
  }

  protected override update(changed?: string): void {
    const control = this.control;
    if (changed === "value") this.wanted = this.str("value");
    this.decorate(control);
    control.disabled = this.has("disabled");
    const icon = this.str("icon");
    this.el(".icon").innerHTML = icon ? iconSvg(icon) : "";
    this.el(".box").classList.toggle("iconic", Boolean(icon));
    if (changed === "placeholder") this.mirror();
    this.choose();
  }

  protected override reset(): void {
    this.wanted = null;
    this.choose();
  }

  private option(source: Element): HTMLOptionElement {
    const made = document.createElement("option");
    made.textContent = (source.textContent ?? "").trim();
    made.value = source.getAttribute("value") ?? made.textContent;
    made.disabled = source.hasAttribute("disabled");
    return made;
  }

  private mirror(): void {
    const rows: HTMLElement[] = [];
    for (const child of this.children) {
      if (child.localName === "s-option") rows.push(this.option(child));
      if (child.localName !== "s-option-group") continue;
      const group = document.createElement("optgroup");
      group.label = child.getAttribute("label") ?? "";
      group.disabled = child.hasAttribute("disabled");
      group.append(...[...child.querySelectorAll("s-option")].map((option) => this.option(option)));
      rows.push(group);
    }
    const placeholder = document.createElement("option");
    placeholder.value = "";
    placeholder.textContent = this.str("placeholder");
    placeholder.disabled = true;
    placeholder.hidden = true;
    const hasEmpty = rows.some((row) => row instanceof HTMLOptionElement && row.value === "");
    this.control.replaceChildren(...(hasEmpty ? [] : [placeholder]), ...rows);
    this.choose();
  }

  /** Selects what was asked for; an unknown or absent value shows the placeholder. */
  private choose(): void {
    const marked = this.querySelector("s-option[selected]");
    const markedValue = marked ? (marked.getAttribute("value") ?? (marked.textContent ?? "").trim()) : null;
    const fallback = this.has("value") ? this.str("value") : (markedValue ?? "");
    this.control.value = this.wanted ?? fallback;
    if (this.control.selectedIndex < 0) this.control.value = "";
    this.store();
  }

  private store(): void {
    const { value } = this.control;
    this.submitValue(this.has("name") ? value : null, value === "", this.control);
  }
}

export function defineSelect(): void {
  define("s-option", SOption);
  define("s-option-group", SOptionGroup);
  define("s-select", SSelect);
}
