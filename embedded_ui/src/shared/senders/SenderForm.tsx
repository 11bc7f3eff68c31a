import { useState } from "react";
import { fieldError } from "@/shared/api/client";
import type { Sender } from "@/shared/api/types";
import { Failure } from "@/shared/states/Failure";
import type { NewSender } from "./useSenders";

interface Props {
  /** The sender being changed; left out = a new one. */
  sender?: Sender;
  pending: boolean;
  error: Error | null;
  onSave: (sender: NewSender) => void;
  onCancel: () => void;
}

const FIELDS = ["display_name", "from_address", "reply_to", "company", "postal_address"] as const;
type Field = (typeof FIELDS)[number];

/** Who campaigns come from. The postal address is required by law and stands in every e-mail. */
export function SenderForm({ sender, pending, error, onSave, onCancel }: Props) {
  const [values, setValues] = useState<Record<Field, string>>({
    display_name: sender?.display_name ?? "",
    from_address: sender?.from_address ?? "",
    reply_to: sender?.reply_to ?? "",
    company: sender?.company ?? "",
    postal_address: sender?.postal_address ?? "",
  });
  const bind = (field: Field) => ({
    name: field,
    value: values[field],
    error: fieldError(error, field) ?? "",
    onInput: (event: { currentTarget: { value: string } }) =>
      setValues({ ...values, [field]: event.currentTarget.value }),
  });
  const placed = FIELDS.some((field) => fieldError(error, field) !== undefined);
  const complete = FIELDS.every((field) => field === "reply_to" || values[field].trim() !== "");
  const save = () => onSave({ ...values, reply_to: values.reply_to.trim() === "" ? null : values.reply_to });
  return (
    <s-stack gap="base">
      {error !== null && !placed && <Failure what="The sender was not saved" error={error} />}
      <s-text-field label="Display name" details="Recipients see it first" {...bind("display_name")} />
      <s-email-field
        label="From address"
        details="A link goes to this address; it sends once its owner has confirmed it"
        {...bind("from_address")}
      />
      <s-email-field label="Reply-to address" details="Optional" {...bind("reply_to")} />
      <s-text-field label="Company" {...bind("company")} />
      <s-text-area
        label="Postal address"
        details="Required by law; it stands at the foot of every e-mail"
        rows={3}
        {...bind("postal_address")}
      />
      <s-stack direction="inline" gap="small">
        <s-button variant="primary" disabled={!complete} loading={pending} onClick={save}>
          {sender === undefined ? "Create sender" : "Save sender"}
        </s-button>
        <s-button onClick={onCancel}>Cancel</s-button>
      </s-stack>
    </s-stack>
  );
}
