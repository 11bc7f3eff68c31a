import { useMutation } from "@tanstack/react-query";
import type { UploadReport } from "@/shared/api/types";
import { Figure, Figures } from "@/shared/figures/Figure";
import { downloadFile } from "@/shared/files/download";
import { moment } from "@/shared/format/dates";
import { count, counted } from "@/shared/format/numbers";
import { useShop } from "@/shared/shop/ShopProvider";
import { Failure } from "@/shared/states/Failure";

/** What became of each row: the four numbers add up to the rows of the file. */
export function UploadDone({ report, again }: { report: UploadReport; again: () => void }) {
  const { timezone } = useShop();
  const download = useMutation({
    mutationFn: () => downloadFile(report.report_url, `report_${report.filename}`),
  });
  return (
    <s-section heading={`${report.segment_name}: ${counted(report.size_after, "member")}`}>
      <s-stack gap="base">
        <s-paragraph>
          {report.filename} had {counted(report.rows, "row")}. The list had {counted(report.size_before, "member")}{" "}
          before. As of {moment(report.at, timezone)}.
        </s-paragraph>
        <Figures>
          <Figure label="Matched" value={count(report.matched)} detail="are your customers" />
          <Figure label="Not matched" value={count(report.unmatched)} detail="unknown to your store" />
          <Figure label="Duplicates" value={count(report.duplicate)} detail="the same customer again" />
          <Figure label="Invalid" value={count(report.invalid)} detail="no usable address or id" />
        </Figures>
        <s-text color="subdued">
          {count(report.matched)} + {count(report.unmatched)} + {count(report.duplicate)} + {count(report.invalid)} ={" "}
          {count(report.rows)} rows
        </s-text>
        {download.isError && <Failure what="The report could not be saved" error={download.error} />}
        <s-stack direction="inline" gap="small">
          <s-button variant="primary" href={`/segments/${report.segment_id}`}>
            Open the segment
          </s-button>
          <s-button loading={download.isPending} onClick={() => download.mutate()}>
            Download row report
          </s-button>
          <s-button variant="tertiary" onClick={again}>
            Upload another file
          </s-button>
        </s-stack>
      </s-stack>
    </s-section>
  );
}
