import type { Vocabulary } from "@/shared/api/types";
import { ValueInput } from "./inputs";
import { entry, startValue } from "./leaves";
import type { Filter } from "./rule";

interface Props {
  label?: string;
  event: string;
  filters: Filter[];
  vocabulary: Vocabulary;
  onChange: (filters: Filter[]) => void;
}

/** Which of the events count: only those of a product, above an amount, and so on. */
export function WhereFilters({ label = "Only where", event, filters, vocabulary, onChange }: Props) {
  const fields = vocabulary.names.filter((one) => one.kind === "event_field" && one.events.includes(event));
  if (fields.length === 0) return null;
  const add = (name: string) => {
    const known = entry(vocabulary, "event_field", name);
    const op = known?.operators[0] ?? "is";
    const value = known?.type === "product" ? "" : startValue(op, known?.type, known?.choices);
    onChange([...filters, value === undefined ? { attr: name, op } : { attr: name, op, value }]);
  };
  return (
    <s-stack gap="small">
      {filters.map((filter, index) => (
        <OneFilter
          key={index}
          filter={filter}
          vocabulary={vocabulary}
          onChange={(next) => onChange(filters.map((one, at) => (at === index ? next : one)))}
          onRemove={() => onChange(filters.filter((_, at) => at !== index))}
        />
      ))}
      <div className="encore-fields">
        <s-select label={label} placeholder="Add a detail" value="" onChange={(chosen) => {
            add(chosen.currentTarget.value);
            // The list offers to add again; the choice itself is not a setting.
            chosen.currentTarget.value = "";
          }}>
          {fields.map((field) => (
            <s-option key={field.name} value={field.name}>
              {field.label}
            </s-option>
          ))}
        </s-select>
      </div>
    </s-stack>
  );
}

interface OneFilterProps {
  filter: Filter;
  vocabulary: Vocabulary;
  onChange: (filter: Filter) => void;
  onRemove: () => void;
}

function OneFilter({ filter, vocabulary, onChange, onRemove }: OneFilterProps) {
  const known = entry(vocabulary, "event_field", filter.attr);
  const label = known?.label ?? filter.attr;
  const choose = (op: string) => {
    const value = startValue(op, known?.type, known?.choices);
    onChange(value === undefined ? { attr: filter.attr, op } : { attr: filter.attr, op, value });
  };
  return (
    <div className="encore-fields">
      <s-select label={label} value={filter.op} onChange={(event) => choose(event.currentTarget.value)}>
        {(known?.operators ?? [filter.op]).map((op) => (
          <s-option key={op} value={op}>
            {vocabulary.operators[op] ?? op}
          </s-option>
        ))}
      </s-select>
      <ValueInput
        name={known}
        op={filter.op}
        value={filter.value}
        vocabulary={vocabulary}
        onChange={(value) => onChange({ ...filter, value })}
      />
      <s-button variant="tertiary" icon="x" accessibilityLabel={`Remove the detail ${label}`} onClick={onRemove} />
    </div>
  );
}
