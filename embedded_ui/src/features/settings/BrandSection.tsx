import { useState } from "react";
import { ApiError } from "@/shared/api/client";
import type { Brand, BrandPatch } from "@/shared/api/types";
import { Failure } from "@/shared/states/Failure";
import { Loaded } from "@/shared/states/Loaded";
import { toast } from "@/shared/states/toast";
import { useBrand, useChangeBrand } from "./useBrand";

/** Colours and logo of all messages. */
export function BrandSection() {
  const brand = useBrand();
  return (
    <s-section heading="Look of your e-mails">
      <s-stack gap="base">
        <s-paragraph>These colours and your logo stand in every campaign, from the next message on.</s-paragraph>
        <Loaded query={brand} noun="the look" lines={5}>
          {(saved) => <BrandForm saved={saved} />}
        </Loaded>
      </s-stack>
    </s-section>
  );
}

function BrandForm({ saved }: { saved: Brand }) {
  const change = useChangeBrand();
  const [edits, setEdits] = useState<BrandPatch>({});
  const shown = { ...saved, ...edits } as Brand;
  const edit = (patch: BrandPatch) => setEdits({ ...edits, ...patch });
  const refusal = change.error instanceof ApiError ? change.error : null;
  const error = (field: keyof BrandPatch) => (refusal?.field === field ? refusal.message : "");
  const save = () =>
    change.mutate(edits, {
      onSuccess: () => {
        setEdits({});
        toast("Look saved");
      },
    });
  return (
    <s-stack gap="base">
      <div className="encore-fields">
        <Colour label="Buttons" value={shown.accent} onChange={(accent) => edit({ accent })} />
        <Colour label="Background" value={shown.background} onChange={(background) => edit({ background })} />
      </div>
      <s-url-field
        label="Address of your logo"
        details="Optional. Starts with https://, for example from Content › Files in your Shopify admin"
        value={shown.logo_url}
        error={error("logo_url")}
        onInput={(event) => edit({ logo_url: event.currentTarget.value.trim() })}
      />
      <s-text-field
        label="What the logo shows"
        details="For example your shop's name; shown where pictures are off"
        value={shown.logo_alt}
        maxLength={300}
        error={error("logo_alt")}
        onInput={(event) => edit({ logo_alt: event.currentTarget.value })}
      />
      <s-number-field
        label="Width of the logo in pixels"
        value={String(shown.logo_width)}
        min={40}
        max={400}
        step={1}
        error={error("logo_width")}
        onInput={(event) => {
          const width = Number(event.currentTarget.value);
          if (Number.isInteger(width) && width > 0) edit({ logo_width: width });
        }}
      />
      {refusal !== null && !((refusal.field ?? "") in saved) && <Failure what="The look was not saved" error={refusal} />}
      <s-box>
        <s-button disabled={Object.keys(edits).length === 0} loading={change.isPending} onClick={save}>
          Save look
        </s-button>
      </s-box>
    </s-stack>
  );
}

function Colour({ label, value, onChange }: { label: string; value: string; onChange: (value: string) => void }) {
  return (
    <label className="encore-field">
      {label}
      <input type="color" value={value} onChange={(event) => onChange(event.target.value)} />
    </label>
  );
}
