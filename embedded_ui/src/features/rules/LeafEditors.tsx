import type { Vocabulary } from "@/shared/api/types";
import { capital } from "@/shared/format/words";
import { NumberInput, ProductSelect, ValueInput } from "./inputs";
import { about, COMPARES, entry, FUNCTIONS, functionsOf, needsProduct, predictionLabel, startValue } from "./leaves";
import type { AttrLeaf, Compare, DidLeaf, MeasureLeaf, PredictLeaf } from "./rule";
import { WhereFilters } from "./WhereFilters";
import { ANY_DATE, FUTURE, PAST, WindowInput } from "./WindowInput";

interface Props<L> {
  leaf: L;
  vocabulary: Vocabulary;
  /** `field` names what was touched, so that typing on is one step of undo. */
  onChange: (leaf: L, field: string) => void;
}

const ORDERING = new Set(["gt", "gte", "lt", "lte", "between"]);
const NEGATIVE = new Set(["is_not", "not_in", "not_contains"]);

interface CompareInputProps {
  label?: string;
  op: Compare;
  onChange: (op: Compare) => void;
}

function CompareInput({ label = "Compare", op, onChange }: CompareInputProps) {
  return (
    <s-select label={label} value={op} onChange={(event) => onChange(event.currentTarget.value as Compare)}>
      {Object.entries(COMPARES).map(([key, words]) => (
        <s-option key={key} value={key}>
          {words}
        </s-option>
      ))}
    </s-select>
  );
}

/** A customer's attribute: how it compares, or when its date lies. */
export function AttrEditor({ leaf, vocabulary, onChange }: Props<AttrLeaf>) {
  const known = entry(vocabulary, "attribute", leaf.attr);
  const operators = known?.operators ?? ["is", "is_not", "set", "unset"];
  // The merchant's own fields are texts, and a text can hold a date.
  const isDate = known?.type === "date" || leaf.attr.startsWith("metafield.");
  const mode = leaf.during === undefined ? (leaf.op ?? "is") : "during";
  const choose = (op: string) => {
    if (op === "during") {
      onChange({ attr: leaf.attr, during: { last: "30d" } }, "op");
      return;
    }
    const value = startValue(op, known?.type === "text" && ORDERING.has(op) ? "number" : known?.type, known?.choices);
    const keep = leaf.value !== undefined && Array.isArray(leaf.value) === Array.isArray(value) ? leaf.value : value;
    onChange({ attr: leaf.attr, op, ...(value === undefined || keep === undefined ? {} : { value: keep }) }, "op");
  };
  return (
    <div className="encore-fields">
      <s-select label={known?.label ?? leaf.attr} value={mode} onChange={(event) => choose(event.currentTarget.value)}>
        {isDate && <s-option value="during">lies</s-option>}
        {operators.map((op) => (
          <s-option key={op} value={op}>
            {vocabulary.operators[op] ?? op}
          </s-option>
        ))}
      </s-select>
      {leaf.during !== undefined ? (
        <WindowInput window={leaf.during} kinds={ANY_DATE} onChange={(during) => onChange({ ...leaf, during }, "during")} />
      ) : (
        <ValueInput
          name={known !== undefined && known.type === "text" && ORDERING.has(leaf.op ?? "") ? { ...known, type: "number" } : known}
          op={leaf.op ?? "is"}
          value={leaf.value}
          vocabulary={vocabulary}
          onChange={(value) => onChange({ ...leaf, value }, "value")}
        />
      )}
      {known?.nullable === true && leaf.op !== "set" && leaf.op !== "unset" && <MissingInput leaf={leaf} onChange={onChange} />}
    </div>
  );
}

/** What becomes of customers for whom the value is not known. Without a word the operator decides. */
function MissingInput({ leaf, onChange }: Omit<Props<AttrLeaf>, "vocabulary">) {
  const usual = NEGATIVE.has(leaf.op ?? "") ? "match" : "skip";
  const choose = (missing: string) => {
    const rest = { ...leaf };
    delete rest.missing;
    onChange(missing === usual ? rest : { ...rest, missing: missing === "match" ? "match" : "skip" }, "missing");
  };
  return (
    <s-select label="If not known" value={leaf.missing ?? usual} onChange={(event) => choose(event.currentTarget.value)}>
      <s-option value="skip">leave out</s-option>
      <s-option value="match">take in</s-option>
    </s-select>
  );
}

/** Something customers did, how often, when, and with which details. */
export function DidEditor({ leaf, vocabulary, label, onChange }: Props<DidLeaf> & { label?: string }) {
  const count = leaf.count ?? { op: "gte", n: 1 };
  return (
    <s-stack gap="small">
      <div className="encore-fields">
        <CompareInput label={label ?? entry(vocabulary, "event", leaf.did)?.label ?? leaf.did} op={count.op} onChange={(op) => onChange({ ...leaf, count: { ...count, op } }, "op")} />
        <div className="encore-narrow">
          <NumberInput
            label="Times"
            value={count.n}
            min={0}
            onChange={(n) => onChange({ ...leaf, count: { ...count, n: n === "" ? 0 : Math.trunc(n) } }, "n")}
          />
        </div>
        <WindowInput window={leaf.during} kinds={PAST} onChange={(during) => onChange({ ...leaf, during }, "during")} />
      </div>
      <WhereFilters event={leaf.did} filters={leaf.where ?? []} vocabulary={vocabulary} onChange={(where) => onChange({ ...leaf, where }, "where")} />
    </s-stack>
  );
}

/** A total, average or count over events. */
export function MeasureEditor({ leaf, vocabulary, onChange }: Props<MeasureLeaf>) {
  const known = entry(vocabulary, "measure", leaf.of);
  const [event = "ordered"] = leaf.of.split(".");
  return (
    <s-stack gap="small">
      <div className="encore-fields">
        <s-select label={capital(known?.label ?? leaf.of)} value={leaf.measure} onChange={(e) => onChange({ ...leaf, measure: e.currentTarget.value }, "measure")}>
          {functionsOf(known).map((name) => (
            <s-option key={name} value={name}>
              {FUNCTIONS[name] ?? name}
            </s-option>
          ))}
        </s-select>
        <CompareInput op={leaf.op} onChange={(op) => onChange({ ...leaf, op }, "op")} />
        <ValueInput
          name={{ type: known?.type ?? "number", choices: [] }}
          op="gte"
          value={leaf.value}
          vocabulary={vocabulary}
          onChange={(value) => onChange({ ...leaf, value: typeof value === "number" ? value : "" }, "value")}
        />
        <WindowInput window={leaf.during} kinds={PAST} onChange={(during) => onChange({ ...leaf, during }, "during")} />
      </div>
      <WhereFilters event={event} filters={leaf.where ?? []} vocabulary={vocabulary} onChange={(where) => onChange({ ...leaf, where }, "where")} />
    </s-stack>
  );
}

/** What is bought: one product, or any of a type. */
function AboutInput({ leaf, vocabulary, onChange }: Props<PredictLeaf>) {
  const { product, product_type: type, ...rest } = leaf;
  const types = vocabulary.predicted_types;
  if (types.length === 0 && type === undefined) {
    return <ProductSelect value={product ?? ""} vocabulary={vocabulary} onChange={(chosen) => onChange({ ...rest, product: chosen }, "product")} />;
  }
  return (
    <>
      <s-select label="About" value={type === undefined ? "product" : "type"} onChange={(event) => onChange(about(leaf, event.currentTarget.value, vocabulary), "about")}>
        <s-option value="product">one product</s-option>
        <s-option value="type">any product of a type</s-option>
      </s-select>
      {type === undefined ? (
        <ProductSelect value={product ?? ""} vocabulary={vocabulary} onChange={(chosen) => onChange({ ...rest, product: chosen }, "product")} />
      ) : (
        <s-select label="Product type" value={type} onChange={(event) => onChange({ ...rest, product_type: event.currentTarget.value }, "product")}>
          {[...new Set([type, ...types])].map((one) => (
            <s-option key={one} value={one}>
              {one}
            </s-option>
          ))}
        </s-select>
      )}
    </>
  );
}

/** A prediction: a probability, an amount, or when the next order is due. */
export function PredictEditor({ leaf, vocabulary, onChange }: Props<PredictLeaf>) {
  if (leaf.predict === "next_order") {
    return (
      <div className="encore-fields">
        <WindowInput
          label={predictionLabel(leaf.predict)}
          window={leaf.during}
          kinds={FUTURE}
          onChange={(during) => onChange({ ...leaf, during }, "during")}
        />
      </div>
    );
  }
  const horizons = vocabulary.horizons[leaf.predict] ?? [];
  return (
    <div className="encore-fields">
      {needsProduct(leaf.predict) && <AboutInput leaf={leaf} vocabulary={vocabulary} onChange={onChange} />}
      <CompareInput label={predictionLabel(leaf.predict)} op={leaf.op ?? "gte"} onChange={(op) => onChange({ ...leaf, op }, "op")} />
      <ValueInput
        name={{ type: leaf.predict === "value" ? "money" : "share", choices: [] }}
        op="gte"
        value={leaf.value}
        vocabulary={vocabulary}
        onChange={(value) => onChange({ ...leaf, value: typeof value === "number" ? value : "" }, "value")}
      />
      {horizons.length > 1 && (
        <s-select label="Within" value={leaf.horizon ?? horizons[0] ?? ""} onChange={(event) => onChange({ ...leaf, horizon: event.currentTarget.value }, "horizon")}>
          {horizons.map((horizon) => (
            <s-option key={horizon} value={horizon}>
              {horizon.replace(/d$/, " days").replace(/mo$/, " months")}
            </s-option>
          ))}
        </s-select>
      )}
    </div>
  );
}
