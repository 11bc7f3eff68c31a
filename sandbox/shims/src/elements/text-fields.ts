/** The fields that hold a line or lines of text: text, area, number, e-mail, search, URL, money, date, password. */
import { define, flag, num, text, type Attrs } from "./core";
import { Field, FIELD_ATTRS, FIELD_CSS, fieldTemplate } from "./field";
import { iconSvg } from "./media";

const TEXT_ATTRS: Attrs = {
  ...FIELD_ATTRS,
  value: text(),
  placeholder: text(),
  readOnly: flag(),
  autocomplete: text("on"),
};
const LENGTHS: Attrs = { maxLength: num(Infinity), minLength: num(0) };

type Control = HTMLInputElement | HTMLTextAreaElement;

abstract class TextualField extends Field {
  static override attrs: Attrs = { ...TEXT_ATTRS, ...LENGTHS };
  static override css = FIELD_CSS;
  /** `type` and other fixed attributes of the native control. */
  protected native = 'type="text"';
  private early = "";
  private dirty = false;
  private committed = "";

  protected get control(): Control {
    return this.el<Control>("#control");
  }

  get value(): string {
    const control = this.root.querySelector<Control>("#control");
    return control ? control.value : this.early || this.str("value");
  }

  /** Setting the value sends no event, as with native inputs. */
  set value(value: string | null | undefined) {
    this.dirty = true;
    this.early = value ?? "";
    const control = this.root.querySelector<Control>("#control");
    if (!control) return;
    if (control.value !== this.early) control.value = this.early;
    this.committed = control.value;
    this.store();
  }

  /** What a reset returns to: the attribute. */
  get defaultValue(): string {
    return this.str("value");
  }

  set defaultValue(value: string) {
    this.setAttribute("value", value);
  }

  select(): void {
    this.control.select();
  }

  protected template(): string {
    return `<div class="box"><span class="affix icon"></span><span class="affix prefix"></span><input class="control" id="control" ${this.native}>
      <span class="affix suffix"></span><slot name="accessory"></slot></div>`;
  }

  protected build(): void {
    this.root.innerHTML = fieldTemplate(this.template());
    this.watchSlots();
    const control = this.control;
    control.value = this.dirty ? this.early : this.str("value");
    this.committed = control.value;
    control.addEventListener("input", (event) => {
      event.stopPropagation();
      this.dirty = true;
      this.store();
      this.emit("input", { bubbles: true });
    });
    control.addEventListener("change", () => this.commit());
    control.addEventListener("keydown", (event) => {
      if (event instanceof KeyboardEvent && event.key === "Enter" && !event.isComposing) this.enter(event);
    });
    this.el(".box").addEventListener("mousedown", (event) => {
      if (event.target === control || (event.target as Element).closest("button")) return;
      event.preventDefault();
      control.focus();
    });
  }

  protected override update(changed?: string): void {
    const control = this.control;
    if (changed === "value" && !this.dirty) {
      control.value = this.str("value");
      this.committed = control.value;
    }
    this.decorate(control);
    control.disabled = this.has("disabled");
    control.readOnly = this.has("readonly");
    control.placeholder = this.str("placeholder");
    for (const name of ["autocomplete", "maxlength", "minlength", "min", "max", "step", "inputmode", "rows"]) {
      const value = this.getAttribute(name);
      if (value !== null && value !== "Infinity" && value !== "-Infinity") control.setAttribute(name, value);
      else if (name !== "rows") control.removeAttribute(name);
    }
    this.affix("prefix", this.str("prefix"));
    this.affix("suffix", this.str("suffix"));
    const icon = this.root.querySelector(".icon");
    if (icon) icon.innerHTML = this.fieldIcon() ? iconSvg(this.fieldIcon()) : "";
    this.store();
  }

  protected fieldIcon(): string {
    return this.str("icon");
  }

  protected affix(which: string, words: string): void {
    const place = this.root.querySelector(`.${which}`);
    if (place) place.textContent = words;
  }

  /** Enter sends the form, as it does from a native input. */
  protected enter(event: KeyboardEvent): void {
    this.commit();
    if (this.form && !event.defaultPrevented) this.form.requestSubmit();
  }

  protected override reset(): void {
    this.dirty = false;
    this.early = "";
    this.control.value = this.str("value");
    this.committed = this.control.value;
    this.store();
  }

  private commit(): void {
    if (this.committed === this.control.value) return;
    this.committed = this.control.value;
    this.emit("change", { bubbles: true });
  }

  private store(): void {
    const control = this.control;
    this.submitValue(this.has("name") ? control.value : null, control.value === "", control);
    if (!this.internals.validity.valueMissing && !control.validity.valid)
      this.internals.setValidity(control.validity, control.validationMessage, control);
  }
}

class STextField extends TextualField {
  static override attrs: Attrs = { ...TEXT_ATTRS, ...LENGTHS, icon: text(), prefix: text(), suffix: text() };
}

class STextArea extends TextualField {
  static override attrs: Attrs = { ...TEXT_ATTRS, ...LENGTHS, rows: num(2) };
  static override css = `${FIELD_CSS} textarea.control { resize: vertical; white-space: pre-wrap; overflow-wrap: anywhere; cursor: text; }`;

  protected override template(): string {
    return `<div class="box"><textarea class="control" id="control" rows="2"></textarea></div>`;
  }

  protected override enter(): void {}
}

class SNumberField extends TextualField {
  static override attrs: Attrs = {
    ...TEXT_ATTRS,
    inputMode: text("decimal"),
    min: num(-Infinity),
    max: num(Infinity),
    step: num(1),
    prefix: text(),
    suffix: text(),
  };
  static override css = `${FIELD_CSS} input::-webkit-inner-spin-button { opacity: 1; }`;
  // Decimals are allowed whatever the step says: it only sets how far the arrows go.
  protected override native = 'type="number"';
}

class SEmailField extends TextualField {
  protected override native = 'type="email"';
}

class SUrlField extends TextualField {
  protected override native = 'type="url"';
}

class SPasswordField extends TextualField {
  protected override native = 'type="password"';
}

class SSearchField extends TextualField {
  static override css = `${FIELD_CSS} input::-webkit-search-cancel-button { cursor: pointer; }`;
  protected override native = 'type="search"';

  protected override fieldIcon(): string {
    return "search";
  }
}

class SMoneyField extends TextualField {
  static override attrs: Attrs = { ...TEXT_ATTRS, min: num(-Infinity), max: num(Infinity), currencyCode: text("auto") };
  protected override native = 'type="number" step="0.01" inputmode="decimal"';

  protected override update(changed?: string): void {
    super.update(changed);
    const code = this.str("currencycode");
    this.control.setAttribute("step", "0.01");
    if (!/^[A-Z]{3}$/.test(code)) return;
    const parts = new Intl.NumberFormat(document.documentElement.lang || "en", { style: "currency", currency: code });
    this.affix("prefix", parts.formatToParts(0).find((part) => part.type === "currency")?.value ?? code);
  }
}

class SDateField extends TextualField {
  static override attrs: Attrs = { ...TEXT_ATTRS, allow: text() };
  protected override native = 'type="date"';

  protected override update(changed?: string): void {
    super.update(changed);
    // One allowed stretch, "2026-01-01--2026-02-01" with either end open; the picker keeps to it.
    const [from = "", to = ""] = this.str("allow").split("--");
    for (const [name, day] of [["min", from], ["max", to]] as const) {
      if (/^\d{4}-\d\d-\d\d$/.test(day)) this.control.setAttribute(name, day);
      else this.control.removeAttribute(name);
    }
  }
}

export function defineTextFields(): void {
  define("s-text-field", STextField);
  define("s-text-area", STextArea);
  define("s-number-field", SNumberField);
  define("s-email-field", SEmailField);
  define("s-url-field", SUrlField);
  define("s-password-field", SPasswordField);
  define("s-search-field", SSearchField);
  define("s-money-field", SMoneyField);
  define("s-date-field", SDateField);
}
