import { useState } from "react";
import { useSearchParams } from "react-router";
import type { Template } from "@/shared/api/types";
import { counted } from "@/shared/format/numbers";
import { Loaded } from "@/shared/states/Loaded";
import type { Rule } from "./rule";
import { SegmentForm } from "./SegmentForm";
import { useSegmentNames, useTemplates, useVocabulary } from "./useRules";

/** Builds a new segment, from nothing or from a template. */
export function NewSegmentPage() {
  const [address] = useSearchParams();
  const wanted = address.get("template");
  const vocabulary = useVocabulary();
  const templates = useTemplates();
  const segments = useSegmentNames();
  const [chosen, setChosen] = useState<Template | null>(null);
  const template = chosen ?? templates.data?.find((one) => one.key === wanted) ?? null;
  // The form starts with its rule, so it waits for the template that the address names.
  const waiting = wanted !== null && templates.isPending;
  return (
    <s-page heading="New segment" inlineSize="large">
      <s-link slot="breadcrumb-actions" href="/segments">
        Segments
      </s-link>
      <Loaded query={vocabulary} noun="the segment builder" lines={8}>
        {(words) =>
          !waiting && (
            <s-stack gap="base">
              {template === null && <Templates templates={templates.data ?? []} choose={setChosen} />}
              <SegmentForm
                key={template?.key ?? "blank"}
                vocabulary={words}
                segments={segments.data ?? []}
                segmentId={null}
                name={template?.name ?? ""}
                rule={template === null ? undefined : (template.rule as unknown as Rule)}
              />
            </s-stack>
          )
        }
      </Loaded>
    </s-page>
  );
}

function Templates({ templates, choose }: { templates: Template[]; choose: (template: Template) => void }) {
  if (templates.length === 0) return null;
  return (
    <s-section heading="Start from a template, or add conditions below">
      <div className="encore-templates">
        {templates.map((template) => (
          <s-box key={template.key} padding="base" border="base" borderRadius="base">
            <s-stack gap="small">
              <s-heading>{template.name}</s-heading>
              <s-paragraph>{template.why}</s-paragraph>
              <s-text color="subdued">{counted(template.count, "customer")} now</s-text>
              <s-button accessibilityLabel={`Use the template ${template.name}`} onClick={() => choose(template)}>
                Use
              </s-button>
            </s-stack>
          </s-box>
        ))}
      </div>
    </s-section>
  );
}
