import { useState } from "react";
import type { NameEntry, Vocabulary } from "@/shared/api/types";
import { minorPerUnit } from "@/shared/format/money";
import { BARE, LISTS } from "./leaves";
import type { Scalar, Value } from "./rule";

interface NumberInputProps {
  label: string;
  value: number | "";
  /** What the number shown is multiplied by to get the value: 100 for USD, 0.01 for percent. */
  factor?: number;
  /** Named in the label: every DOM element has a read-only `prefix`, which React would try to set. */
  unit?: string;
  suffix?: string;
  min?: number;
  onChange: (value: number | "") => void;
}

/** Reads what was typed; empty or no number is "". Rounded, because 0.1 × 0.01 is not 0.001 in binary. */
function parse(text: string, factor: number): number | "" {
  const typed = Number(text);
  if (text.trim() === "" || !Number.isFinite(typed)) return "";
  return Number((typed * factor).toPrecision(12));
}

/** A number in the unit that people use, kept in the unit that the rule uses. */
export function NumberInput({ label, value, factor = 1, unit, suffix, min, onChange }: NumberInputProps) {
  const [text, setText] = useState(() => (value === "" ? "" : String(value / factor)));
  // What is typed stays as typed ("12." on the way to "12.5") unless the value was changed elsewhere.
  const shown = parse(text, factor) === value ? text : value === "" ? "" : String(Number((value / factor).toPrecision(12)));
  return (
    <s-number-field
      label={unit === undefined ? label : `${label} (${unit})`}
      value={shown}
      suffix={suffix ?? ""}
      {...(min === undefined ? {} : { min })}
      onInput={(event) => {
        setText(event.currentTarget.value);
        onChange(parse(event.currentTarget.value, factor));
      }}
    />
  );
}

interface ValueInputProps {
  name: Pick<NameEntry, "type" | "choices"> | undefined;
  op: string;
  value: Value | undefined;
  vocabulary: Vocabulary;
  onChange: (value: Value) => void;
}

/** The value of a condition, in the form that its type and operator ask for. */
export function ValueInput({ name, op, value, vocabulary, onChange }: ValueInputProps) {
  if (BARE.has(op)) return null;
  const type = name?.type ?? "text";
  if (type === "product") return <ProductInput {...{ op, value, vocabulary, onChange }} />;
  if (type === "number" || type === "money" || type === "share") {
    return <NumericInput {...{ type, op, value, vocabulary, onChange }} />;
  }
  if (LISTS.has(op)) return <ListInput choices={name?.choices ?? []} value={value} onChange={onChange} />;
  const choices = name?.choices ?? [];
  if (choices.length > 0 && (op === "is" || op === "is_not")) {
    return <ChoiceInput choices={choices} value={String(value ?? "")} onChange={onChange} />;
  }
  return (
    <s-text-field label="Value" value={String(value ?? "")} onInput={(event) => onChange(event.currentTarget.value)} />
  );
}

function ChoiceInput({ choices, value, onChange }: { choices: string[]; value: string; onChange: (value: string) => void }) {
  // The saved value may be rarer than the choices offered.
  const offered = choices.includes(value) || value === "" ? choices : [value, ...choices];
  return (
    <s-select label="Value" value={value} placeholder="Choose" onChange={(event) => onChange(event.currentTarget.value)}>
      {offered.map((choice) => (
        <s-option key={choice} value={choice}>
          {choice}
        </s-option>
      ))}
    </s-select>
  );
}

/** Splits "DE, FR" into its values. */
export function splitList(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function asList(value: Value | undefined): Scalar[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

function ListInput({ choices, value, onChange }: { choices: string[]; value: Value | undefined; onChange: (value: Value) => void }) {
  const values = asList(value);
  const [text, setText] = useState(() => values.join(", "));
  const shown = splitList(text).join() === values.join() ? text : values.join(", ");
  return (
    <s-text-field
      label="Values"
      details={choices.length === 0 ? "Separate with commas" : `For example ${choices.slice(0, 3).join(", ")}`}
      value={shown}
      onInput={(event) => {
        setText(event.currentTarget.value);
        onChange(splitList(event.currentTarget.value));
      }}
    />
  );
}

interface NumericProps extends Omit<ValueInputProps, "name"> {
  type: "number" | "money" | "share";
}

function NumericInput({ type, op, value, vocabulary, onChange }: NumericProps) {
  const unit =
    type === "money"
      ? { factor: minorPerUnit(vocabulary.currency), unit: vocabulary.currency }
      : type === "share"
        ? { factor: 0.01, suffix: "%" }
        : {};
  const number = (one: Scalar | undefined) => (typeof one === "number" ? one : "");
  if (op === "between") {
    const [low, high] = asList(value);
    return (
      <>
        <NumberInput label="From" value={number(low)} {...unit} onChange={(next) => onChange([next, high ?? 0])} />
        <NumberInput label="To" value={number(high)} {...unit} onChange={(next) => onChange([low ?? 0, next])} />
      </>
    );
  }
  if (LISTS.has(op)) {
    return (
      <ListInput
        choices={[]}
        value={value}
        onChange={(next) => onChange(asList(next).map(Number).filter((one) => Number.isFinite(one)))}
      />
    );
  }
  return <NumberInput label="Value" value={number(asList(value)[0])} {...unit} onChange={onChange} />;
}

interface ProductProps {
  op: string;
  value: Value | undefined;
  vocabulary: Vocabulary;
  onChange: (value: Value) => void;
}

function ProductInput({ op, value, vocabulary, onChange }: ProductProps) {
  const chosen = asList(value).map(String);
  if (!LISTS.has(op)) {
    return <ProductSelect value={chosen[0] ?? ""} vocabulary={vocabulary} onChange={onChange} />;
  }
  const title = (id: string) => vocabulary.products.find((one) => one.product_id === id)?.title ?? `Product ${id}`;
  return (
    <s-stack gap="small-200">
      <ProductSelect
        value=""
        adds
        vocabulary={vocabulary}
        onChange={(id) => {
          if (!chosen.includes(id)) onChange([...chosen, id]);
        }}
      />
      <s-stack direction="inline" gap="small-200">
        {chosen.map((id) => (
          <s-button
            key={id}
            variant="secondary"
            icon="x"
            accessibilityLabel={`Remove ${title(id)}`}
            onClick={() => onChange(chosen.filter((one) => one !== id))}
          >
            {title(id)}
          </s-button>
        ))}
      </s-stack>
    </s-stack>
  );
}

interface ProductSelectProps {
  value: string;
  /** Each choice is added elsewhere, and the field stays empty. */
  adds?: boolean;
  vocabulary: Vocabulary;
  onChange: (id: string) => void;
}

/** One of the shop's products with most buyers, or the one already chosen. */
export function ProductSelect({ value, adds = false, vocabulary, onChange }: ProductSelectProps) {
  const known = vocabulary.products.some((product) => product.product_id === value);
  return (
    <s-select
      label="Product"
      placeholder="Choose a product"
      value={value}
      onChange={(event) => {
        onChange(event.currentTarget.value);
        // Where the choice is added to a list beside it, the field asks for the next one.
        if (value === "" && adds) event.currentTarget.value = "";
      }}
    >
      {value !== "" && !known && <s-option value={value}>Product {value}</s-option>}
      {vocabulary.products.map((product) => (
        <s-option key={product.product_id} value={product.product_id}>
          {product.title}
        </s-option>
      ))}
    </s-select>
  );
}
