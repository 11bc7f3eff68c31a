import { useState } from "react";
import { useSearchParams } from "react-router";
import type { UploadCheck } from "@/shared/api/types";
import { Failure } from "@/shared/states/Failure";
import { MappingForm } from "./MappingForm";
import { UploadDone } from "./UploadDone";
import { useCheck, useUpload } from "./useUpload";

/** Makes a list from a CSV file, or changes one: choose, map, read the report. */
export function UploadPage() {
  const [address] = useSearchParams();
  const segmentId = address.get("segment");
  const [file, setFile] = useState<File | null>(null);
  const check = useCheck();
  const upload = useUpload();
  const choose = (files: readonly File[]) => {
    const [first] = files;
    if (first === undefined) return;
    setFile(first);
    upload.reset();
    check.mutate(first);
  };
  const startOver = () => {
    setFile(null);
    check.reset();
    upload.reset();
  };
  return (
    <s-page heading={segmentId === null ? "Upload a list" : "Upload a new file"}>
      <s-link slot="breadcrumb-actions" href={segmentId === null ? "/segments" : `/segments/${segmentId}`}>
        Segments
      </s-link>
      <s-stack gap="base">
        {upload.data !== undefined ? (
          <UploadDone report={upload.data} again={startOver} />
        ) : (
          <ChooseFile choose={choose} busy={check.isPending} chosen={file} />
        )}
        {check.isError && <Failure what="The file could not be read" error={check.error} />}
        {upload.isError && <Failure what="The list was not saved" error={upload.error} />}
        {file !== null && check.data !== undefined && upload.data === undefined && (
          <Mapped check={check.data} file={file} segmentId={segmentId} upload={upload} />
        )}
      </s-stack>
    </s-page>
  );
}

interface MappedProps {
  check: UploadCheck;
  file: File;
  segmentId: string | null;
  upload: ReturnType<typeof useUpload>;
}

function Mapped({ check, file, segmentId, upload }: MappedProps) {
  return (
    <MappingForm
      key={`${file.name}-${file.lastModified}`}
      check={check}
      file={file}
      segmentId={segmentId}
      pending={upload.isPending}
      error={upload.error}
      onUpload={(mapping) => upload.mutate({ file, mapping })}
    />
  );
}

interface ChooseProps {
  choose: (files: readonly File[]) => void;
  busy: boolean;
  chosen: File | null;
}

function ChooseFile({ choose, busy, chosen }: ChooseProps) {
  return (
    <s-section heading="Choose a CSV file">
      <s-stack gap="base">
        <s-paragraph>
          One column holds e-mail addresses or Shopify customer ids. Everyone found among your customers becomes a
          member; nobody becomes e-mailable by being on a list.
        </s-paragraph>
        <s-drop-zone
          label="CSV file"
          accept=".csv,.tsv,.txt,text/csv"
          disabled={busy}
          onChange={(event) => choose(event.currentTarget.files)}
        />
        {busy && <s-spinner accessibilityLabel="Reading the file" />}
        {chosen !== null && <s-text color="subdued">{chosen.name}</s-text>}
      </s-stack>
    </s-section>
  );
}
