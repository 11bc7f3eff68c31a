import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, unwrap } from "@/shared/api/client";
import type { SegmentDetails, SegmentExport } from "@/shared/api/types";
import { downloadFile } from "@/shared/files/download";
import { moment } from "@/shared/format/dates";
import { count, counted } from "@/shared/format/numbers";
import { Failure } from "@/shared/states/Failure";

type Format = SegmentExport["format"];

interface Props {
  segment: SegmentDetails;
  close: () => void;
}

interface Choice {
  format: Format;
  hashed: boolean;
  include_unsubscribed: boolean;
}

/** Makes the file, says what is in it and what is not, and hands it over. */
export function DownloadPanel({ segment, close }: Props) {
  const [choice, setChoice] = useState<Choice>({ format: "plain", hashed: false, include_unsubscribed: false });
  const download = useMutation({
    mutationFn: async () => {
      const made = await unwrap(
        api.POST("/api/segments/{segment_id}/exports", { params: { path: { segment_id: segment.id } }, body: choice }),
      );
      await downloadFile(made.url, made.filename);
      return made;
    },
  });
  return (
    <s-section heading="Download members">
      <s-stack gap="base">
        <s-choice-list
          label="Format"
          name="format"
          values={[choice.format]}
          onChange={(event) => {
            const format: Format = event.currentTarget.values[0] === "meta" ? "meta" : "plain";
            setChoice({ ...choice, format, hashed: format === "meta" && choice.hashed });
          }}
        >
          <s-choice value="plain">Plain CSV: one row per customer, with the reason</s-choice>
          <s-choice value="meta">Meta customer list: for Facebook and Instagram ads</s-choice>
        </s-choice-list>
        {choice.format === "meta" && (
          <s-checkbox
            label="Hash names and addresses (SHA-256)"
            details="Meta accepts both; hashed, the file shows nobody's data."
            checked={choice.hashed}
            onChange={(event) => setChoice({ ...choice, hashed: event.currentTarget.checked })}
          />
        )}
        <s-checkbox
          label="Include customers who are not reachable by e-mail"
          details="Check first that you may use their data in this way."
          checked={choice.include_unsubscribed}
          onChange={(event) => setChoice({ ...choice, include_unsubscribed: event.currentTarget.checked })}
        />
        {download.isError && <Failure what="The file was not made" error={download.error} />}
        {download.isSuccess && <Done made={download.data} timezone={segment.timezone} />}
        <s-stack direction="inline" gap="small">
          <s-button variant="primary" loading={download.isPending} onClick={() => download.mutate()}>
            Download
          </s-button>
          <s-button onClick={close}>Close</s-button>
        </s-stack>
      </s-stack>
    </s-section>
  );
}

function Done({ made, timezone }: { made: SegmentExport; timezone: string }) {
  return (
    <s-banner tone="success" heading={`${counted(made.rows, "customer")} saved to ${made.filename}`}>
      <s-paragraph>
        {counted(made.members, "member")} as of {moment(made.evaluated_at, timezone)}
        {made.exclusions.map((one) => `, less ${count(one.count)} (${one.label.toLowerCase()})`).join("")}. The download
        is in the log.
      </s-paragraph>
    </s-banner>
  );
}
