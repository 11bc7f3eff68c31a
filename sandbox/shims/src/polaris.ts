/** The sandbox's polaris.js: the Polaris elements that Encore's pages use. */
import { defineActions } from "./elements/actions";
import { defineChoices } from "./elements/choices";
import { styleDocument } from "./elements/core";
import { defineDropZone } from "./elements/drop-zone";
import { defineFeedback } from "./elements/feedback";
import { defineLayout } from "./elements/layout";
import { defineMedia } from "./elements/media";
import { defineOverlays } from "./elements/overlays";
import { definePage } from "./elements/page";
import { defineSelect } from "./elements/select";
import { defineTable } from "./elements/table";
import { defineTextFields } from "./elements/text-fields";
import { defineTypography } from "./elements/typography";

styleDocument();
defineLayout();
defineTypography();
defineMedia();
definePage();
defineFeedback();
defineActions();
defineTextFields();
defineSelect();
defineChoices();
defineDropZone();
defineOverlays();
defineTable();
