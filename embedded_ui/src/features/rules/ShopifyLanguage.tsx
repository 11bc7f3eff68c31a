import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, unwrap } from "@/shared/api/client";
import type { ExportedSegment, ImportedSegment, LanguageRemark } from "@/shared/api/types";
import { Failure } from "@/shared/states/Failure";
import { toast } from "@/shared/states/toast";
import type { Rule } from "./rule";

interface Props {
  rule: Rule;
  /** Whether the rule is complete enough to be said in another language. */
  complete: boolean;
  onApply: (rule: Rule) => void;
}

type Spelling = "2026-10" | "2026-07";
const SPELLINGS: Record<Spelling, string> = {
  "2026-10": "API 2026-10: MATCHES (id = 1)",
  "2026-07": "API 2026-07: (id: 1) = true",
};

/** Takes a segment over from Shopify, and gives the rule as one, with what can't be carried over. */
export function ShopifyLanguage({ rule, complete, onApply }: Props) {
  return (
    <s-stack gap="base">
      <Paste onApply={onApply} />
      <Copy rule={rule} complete={complete} />
    </s-stack>
  );
}

function Paste({ onApply }: Pick<Props, "onApply">) {
  const [query, setQuery] = useState("");
  const paste = useMutation({
    mutationFn: () => unwrap(api.POST("/api/segments/shopify/import", { body: { query } })),
  });
  return (
    <s-stack gap="small">
      <s-text-area
        label="Paste a Shopify segment"
        placeholder="number_of_orders > 1 AND customer_countries CONTAINS 'US'"
        rows={3}
        value={query}
        onInput={(event) => setQuery(event.currentTarget.value)}
      />
      <s-stack direction="inline" gap="small">
        <s-button disabled={query.trim() === ""} loading={paste.isPending} onClick={() => paste.mutate()}>
          Read it
        </s-button>
      </s-stack>
      {paste.isError && <Failure what="The segment was not read" error={paste.error} />}
      {paste.data !== undefined && <Pasted found={paste.data} onApply={onApply} />}
    </s-stack>
  );
}

function Pasted({ found, onApply }: { found: ImportedSegment; onApply: (rule: Rule) => void }) {
  const { rule } = found;
  return (
    <s-stack gap="small">
      {found.sentence !== null && <s-paragraph>{found.sentence}</s-paragraph>}
      <Remarks left={found.left_out} differs={found.differs} nothing={rule === null} />
      {rule !== null && (
        <s-stack direction="inline">
          <s-button
            onClick={() => {
              onApply(rule as unknown as Rule);
              toast("Conditions replaced");
            }}
          >
            {found.left_out.length === 0 ? "Use these conditions" : "Use what could be carried over"}
          </s-button>
        </s-stack>
      )}
    </s-stack>
  );
}

function Copy({ rule, complete }: Omit<Props, "onApply">) {
  const [spelling, setSpelling] = useState<Spelling>("2026-10");
  const copy = useMutation({
    mutationFn: () => unwrap(api.POST("/api/segments/shopify/export", { body: { rule: { ...rule }, spelling } })),
  });
  return (
    <s-stack gap="small">
      <div className="encore-fields">
        <s-select label="Spelling" value={spelling} onChange={(event) => setSpelling(event.currentTarget.value as Spelling)}>
          {Object.entries(SPELLINGS).map(([key, words]) => (
            <s-option key={key} value={key}>
              {words}
            </s-option>
          ))}
        </s-select>
        <s-button disabled={!complete} loading={copy.isPending} onClick={() => copy.mutate()}>
          Copy as Shopify segment
        </s-button>
      </div>
      {copy.isError && <Failure what="The rule was not written" error={copy.error} />}
      {copy.data !== undefined && <Copied found={copy.data} />}
    </s-stack>
  );
}

function Copied({ found }: { found: ExportedSegment }) {
  const { query } = found;
  return (
    <s-stack gap="small">
      <Remarks left={found.left_out} differs={found.differs} nothing={query === null} />
      {query !== null && (
        <>
          <s-text-area label="Shopify segment" rows={3} readOnly value={query} />
          <s-stack direction="inline">
            <s-button
              icon="clipboard"
              onClick={() => {
                void navigator.clipboard.writeText(query).then(() => toast("Copied"));
              }}
            >
              Copy to clipboard
            </s-button>
          </s-stack>
        </>
      )}
    </s-stack>
  );
}

function Remarks({ left, differs, nothing }: { left: LanguageRemark[]; differs: LanguageRemark[]; nothing: boolean }) {
  const heading = nothing ? "None of it can be carried over" : "Not carried over: without this it selects other customers";
  return (
    <>
      {left.length > 0 && <List tone="warning" heading={heading} remarks={left} />}
      {differs.length > 0 && <List tone="info" heading="Carried over, with a difference" remarks={differs} />}
    </>
  );
}

function List({ tone, heading, remarks }: { tone: "warning" | "info"; heading: string; remarks: LanguageRemark[] }) {
  return (
    <s-banner tone={tone} heading={heading}>
      <s-unordered-list>
        {remarks.map((one, index) => (
          <s-list-item key={index}>{`${one.part}: ${one.reason}`}</s-list-item>
        ))}
      </s-unordered-list>
    </s-banner>
  );
}
