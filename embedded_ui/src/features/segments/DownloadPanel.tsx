import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, unwrap } from "@/shared/api/client";
import type { ExportCount, SegmentDetails, SegmentExport } from "@/shared/api/types";
import { downloadFile } from "@/shared/files/download";
import { moment } from "@/shared/format/dates";
import { count, counted } from "@/shared/format/numbers";
import { Failure } from "@/shared/states/Failure";
import { type Choice, complete, usual } from "./downloadChoice";
import { DownloadLog } from "./DownloadLog";
import { DownloadOptions } from "./DownloadOptions";
import { DownloadSchedules } from "./DownloadSchedules";
import { useDownloadCount } from "./useDownloads";

interface Props {
  segment: SegmentDetails;
  close: () => void;
}

/** Says what would be in the file and what not, makes it, hands it over; below it the log and the schedules. */
export function DownloadPanel({ segment, close }: Props) {
  const [choice, setChoice] = useState<Choice>(usual("plain"));
  const queries = useQueryClient();
  const download = useMutation({
    mutationFn: async () => {
      const made = await unwrap(
        api.POST("/api/segments/{segment_id}/exports", { params: { path: { segment_id: segment.id } }, body: choice }),
      );
      if (made.state === "ready") await downloadFile(made.url, made.filename);
      return made;
    },
    onSettled: () => queries.invalidateQueries({ queryKey: ["segment", segment.id, "exports"] }),
  });
  const change = (changed: Choice) => {
    setChoice(changed);
    download.reset();
  };
  return (
    <s-section heading="Download members">
      <s-stack gap="base">
        <DownloadOptions choice={choice} change={change} />
        {!download.isSuccess && <Beforehand segment={segment} choice={choice} />}
        {download.isError && <Failure what="The file was not made" error={download.error} />}
        {download.isSuccess && <Done made={download.data} timezone={segment.timezone} />}
        <s-stack direction="inline" gap="small">
          <s-button
            variant="primary"
            loading={download.isPending}
            disabled={!complete(choice)}
            onClick={() => download.mutate()}
          >
            Download
          </s-button>
          <s-button onClick={close}>Close</s-button>
        </s-stack>
        <DownloadLog segment={segment} />
        <DownloadSchedules segment={segment} choice={choice} />
      </s-stack>
    </s-section>
  );
}

/** How many rows the file will have, who is left out, and what the platform will say to it. */
function Beforehand({ segment, choice }: { segment: SegmentDetails; choice: Choice }) {
  const counting = useDownloadCount(segment.id, choice);
  if (!complete(choice)) return <s-text color="subdued">Name at least one country.</s-text>;
  if (counting.isError) return <Failure what="The rows could not be counted" error={counting.error} />;
  if (counting.data === undefined) return <s-spinner accessibilityLabel="Counting the rows" />;
  return (
    <s-stack gap="small">
      <Counted found={counting.data} />
      {counting.data.warnings.map((text) => (
        <s-banner key={text} tone="warning" heading={text} />
      ))}
    </s-stack>
  );
}

function Counted({ found }: { found: ExportCount }) {
  return (
    <>
      <s-text>
        {found.exact ? "" : "At most "}
        {counted(found.rows, "row")} of {counted(found.members, "member")}
        {found.exact ? "" : "; a segment of this size is counted to the last row while the file is made"}
      </s-text>
      {found.exclusions.length > 0 && (
        <s-unordered-list>
          {found.exclusions.map((one) => (
            <s-list-item key={one.reason}>
              {count(one.count)} left out: {one.label.toLowerCase()}
            </s-list-item>
          ))}
        </s-unordered-list>
      )}
    </>
  );
}

function Done({ made, timezone }: { made: SegmentExport; timezone: string }) {
  if (made.state === "preparing") {
    return (
      <s-banner tone="info" heading="The file is being made">
        <s-paragraph>
          You may leave this page. When it is ready it can be saved from the log below, for 24 hours.
        </s-paragraph>
      </s-banner>
    );
  }
  return (
    <>
      <s-banner tone="success" heading={`${counted(made.rows, "customer")} saved to ${made.filename}`}>
        <s-paragraph>
          {counted(made.members, "member")} as of {moment(made.evaluated_at, timezone)}
          {made.exclusions.map((one) => `, less ${count(one.count)} (${one.label.toLowerCase()})`).join("")}. The download
          is in the log.
        </s-paragraph>
      </s-banner>
      {made.warnings.map((text) => (
        <s-banner key={text} tone="warning" heading={text} />
      ))}
    </>
  );
}
