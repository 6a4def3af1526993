"""The keys of Circe's cohort definitions, wherever they stand.

Layer:       analytics.harmonise.omop.circe_keys, the lowest of omop.
Guarantees:  a key that is not listed refuses a definition: Circe leaves such a key out unseen, and the cohort would be
             another one than its author meant.
Source:      OHDSI, circe-be 1.13: the names of its JSON properties.
"""

from typing import Final

KEYS: Final = frozenset(
    """
Abnormal AdditionalCriteria Age AgeAtEnd AgeAtStart AnatomicSite AnatomicSiteCS CONCEPT_CLASS_ID
CONCEPT_CODE CONCEPT_ID CONCEPT_NAME CensorWindow CensoringCriteria CodesetId Coeff CollapseSettings
CollapseType ConceptSets ConditionEra ConditionOccurrence ConditionSourceConcept ConditionStatus
ConditionStatusCS ConditionType ConditionTypeCS ConditionTypeExclude CorrelatedCriteria Count
CountColumn Criteria CriteriaList CustomEra DOMAIN_ID DateAdjustment DateField DateOffset Days
DaysSupply DaysSupplyOverride Death DeathSourceConcept DeathType DeathTypeCS DeathTypeExclude
DemographicCriteriaList DeviceExposure DeviceSourceConcept DeviceType DeviceTypeCS DeviceTypeExclude
DiseaseStatus DiseaseStatusCS DoseEra DoseUnit DoseUnitCS DoseValue DrugCodesetId DrugEra
DrugExposure DrugSourceConcept DrugType DrugTypeCS DrugTypeExclude Duration EffectiveDrugDose End
EndDate EndOffset EndStrategy EndWindow EndWith Episode EpisodeEndDate EpisodeNumber
EpisodeObjectConceptCS EpisodeStartDate EpisodeTypeCS EraEndDate EraLength EraPad EraStartDate
Ethnicity EthnicityCS ExpressionLimit Extent First GapDays Gender GenderCS Groups INVALID_REASON
INVALID_REASON_CAPTION IgnoreObservationPeriod InclusionRules IsDistinct IsExclusion LocationRegion
LotNumber Measurement MeasurementSourceConcept MeasurementType MeasurementTypeCS
MeasurementTypeExclude Modifier ModifierCS Observation ObservationPeriod ObservationSourceConcept
ObservationType ObservationTypeCS ObservationTypeExclude ObservationWindow Occurrence
OccurrenceCount OccurrenceEndDate OccurrenceStartDate Offset Op Operator OperatorCS PayerConcept
PayerPlanPeriod PayerSourceConcept PeriodEndDate PeriodLength PeriodStartDate PeriodType
PeriodTypeCS PlaceOfService PlaceOfServiceCS PlaceOfServiceLocation PlanConcept PlanSourceConcept
PostDays PrimaryCriteria PrimaryCriteriaLimit PriorDays ProcedureOccurrence ProcedureSourceConcept
ProcedureType ProcedureTypeCS ProcedureTypeExclude ProviderSpecialty ProviderSpecialtyCS
QualifiedLimit Qualifier QualifierCS Quantity Race RaceCS RangeHigh RangeHighRatio RangeLow
RangeLowRatio Refills RestrictVisit RouteConcept RouteConceptCS STANDARD_CONCEPT
STANDARD_CONCEPT_CAPTION SourceId Specimen SpecimenSourceConcept SpecimenType SpecimenTypeCS
SpecimenTypeExclude SponsorConcept SponsorSourceConcept Start StartDate StartOffset StartWindow
StartWith StopReason StopReasonConcept StopReasonSourceConcept Text Title Type UniqueDeviceId Unit
UnitCS UseEventEnd UseIndexEnd UserDefinedPeriod VOCABULARY_ID Value ValueAsConcept ValueAsConceptCS
ValueAsNumber ValueAsString VisitDetail VisitDetailEndDate VisitDetailLength
VisitDetailSourceConcept VisitDetailStartDate VisitDetailTypeCS VisitLength VisitOccurrence
VisitSourceConcept VisitType VisitTypeCS VisitTypeExclude cdmVersionRange concept description
expression id includeDescendants includeMapped isExcluded items name
""".split()  # noqa: SIM905  213 names
)
