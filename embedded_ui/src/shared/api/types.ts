import type { components } from "./schema";

/** The nouns of the API, as its OpenAPI document names them. */
type Schemas = components["schemas"];

export type Shop = Schemas["ShopAnswer"];
export type Dashboard = Schemas["DashboardAnswer"];
export type Progress = Schemas["ProgressAnswer"];
export type SendingProof = Schemas["SendingProof"];
export type Recommendation = Schemas["Recommendation"];

export type SegmentRow = Schemas["SegmentRow"];
export type SegmentList = Schemas["SegmentList"];
export type SegmentDetails = Schemas["SegmentDetails"];
export type SegmentOverlap = Schemas["Overlap"];
export type SegmentAffinity = Schemas["Affinity"];
export type SegmentTrend = Schemas["Trend"];
export type SegmentGaps = Schemas["Gaps"];
export type SegmentReceipts = Schemas["SegmentReceipts"];
export type ShopReceipts = Schemas["ShopReceipts"];
export type Receipt = Schemas["Receipt"];
export type PromiseOut = Schemas["PromiseOut"];
export type Category = SegmentRow["category"];
export type Member = Schemas["Member"];
export type RulePreview = Schemas["RulePreview"];
export type LeafResult = Schemas["LeafResult"];
export type Vocabulary = Schemas["Vocabulary"];
export type NameEntry = Schemas["NameEntry"];
export type Template = Schemas["Template"];
export type ImportedSegment = Schemas["ImportedSegment"];
export type ExportedSegment = Schemas["ExportedSegment"];
export type LanguageRemark = Schemas["LanguageRemark"];
export type UploadCheck = Schemas["UploadCheck"];
export type UploadReport = Schemas["UploadReport"];
export type SegmentExport = Schemas["Export"];
export type ExportCount = Schemas["ExportCount"];
export type ExportSchedule = Schemas["ExportSchedule"];
export type NewSchedule = Schemas["NewSchedule"];
export type SegmentVersion = Schemas["Version"];
export type Explanation = Schemas["Explanation"];
export type ExplainedPart = Schemas["ExplainedPart"];
export type Pin = Schemas["Pin"];

export type FoundCustomer = Schemas["FoundCustomer"];
export type Profile = Schemas["Profile"];
export type TimelineEntry = Schemas["TimelineEntry"];
export type SegmentOfCustomer = Schemas["SegmentOfCustomer"];
export type DecisionOfCustomer = Schemas["DecisionOfCustomer"];

export type CampaignSummary = Schemas["CampaignSummary"];
export type Campaign = Schemas["Campaign"];
export type CampaignPreview = Schemas["Preview"];
export type CampaignPatch = Schemas["CampaignPatch"];
export type CampaignCounts = Schemas["CampaignCounts"];
export type CampaignLookBack = Schemas["CampaignLookBack"];
export type Simulation = Schemas["Simulation"];
export type SimulationRequest = Schemas["SimulationRequest"];
export type SimulatedInterval = Schemas["SimulatedInterval"];
export type Preflight = Schemas["Preflight"];
export type WaitingMessages = Schemas["WaitingMessages"];
export type Decision = Schemas["Decision"];
export type CampaignReport = Schemas["CampaignReport"];
export type CampaignEffect = Schemas["CampaignEffect"];
export type CampaignResult = Schemas["CampaignResult"];
export type CampaignResults = Schemas["CampaignResults"];
export type Sender = Schemas["Sender"];
export type DiscountStanding = Schemas["DiscountStanding"];
export type DiscountPlanPatch = Schemas["DiscountPlanPatch"];
export type CodeCheck = Schemas["CodeCheck"];
export type SenderHealth = Schemas["SenderHealth"];
export type DomainRecord = Schemas["DomainRecord"];
export type SendingStatus = Schemas["SendingStatus"];
export type SendingStop = Schemas["SendingStop"];
export type SendingLock = Schemas["SendingLock"];
export type SendingPatch = Schemas["SendingPatch"];
export type Suppressed = Schemas["Suppressed"];
export type DiscountFigures = Schemas["DiscountFigures"];

export type Tile = Schemas["Tile"];
export type Connection = Schemas["ConnectionOut"];
export type Sync = Schemas["SyncOut"];
export type SyncPreview = Schemas["SyncPreview"];
export type SyncRun = Schemas["SyncRunOut"];

export type ModelCard = Schemas["ModelCard"];
export type KindCard = Schemas["KindCard"];
export type CustomersCard = Schemas["CustomersCard"];
export type CalibrationBin = Schemas["CalibrationBin"];
export type Backtest = Schemas["BacktestAnswer"];

export type Brand = Schemas["BrandSettings"];
export type BrandPatch = Schemas["BrandPatch"];
export type DemographicsSettings = Schemas["DemographicsSettings"];
export type DemographicEstimate = Schemas["DemographicEstimate"];
export type DemographicsPatch = Schemas["DemographicsPatch"];
export type ShopSettings = Schemas["ShopSettings"];
export type ShopValues = Schemas["ShopValues"];
export type SettingsEffect = Schemas["SettingsEffect"];
export type SettingsChange = Schemas["SettingsChange"];
