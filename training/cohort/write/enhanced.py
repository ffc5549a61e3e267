"""Write a ``CtImage`` as one Enhanced CT Image Storage object with a frame per slice."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import UID, EnhancedCTImageStorage, ExplicitVRLittleEndian

from training.cohort.scan.header import (
    STUDY_DATE,
    STUDY_TIME,
    SeriesHeader,
    decimal,
    describe_series,
)
from training.cohort.scan.image import CtImage
from training.cohort.uids import derived_uid
from training.cohort.write.dicom import save, stored_values

ANATOMIC_REGIONS = {
    "ABDOMEN": ("818981001", "SCT", "Abdomen"),
    "CHEST": ("816094009", "SCT", "Chest"),
    "CHESTABDPELVIS": ("416775004", "SCT", "Chest, Abdomen and Pelvis"),
    "LSPINE": ("122496007", "SCT", "Lumbar spine"),
}
"""Code of each Body Part Examined that the cohort writes (PS3.16 CID 4030)."""

ACQUIRED_AT = STUDY_DATE + STUDY_TIME


def write_enhanced(
    image: CtImage,
    header: SeriesHeader,
    file: Path,
    *,
    transfer_syntax: UID = ExplicitVRLittleEndian,
) -> Path:
    """Write the whole stack as one multi-frame object."""
    file.parent.mkdir(parents=True, exist_ok=True)
    save(enhanced_instance(image, header), file, transfer_syntax)
    return file


def enhanced_instance(image: CtImage, header: SeriesHeader) -> Dataset:
    """Build the dataset; frames in the order of the slices."""
    values = stored_values(image.hu)
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = EnhancedCTImageStorage, header.sop_instance_uid(1)
    describe_series(ds, header)
    ds.ImageType = _image_type(header)
    ds.InstanceNumber, ds.AcquisitionNumber = 1, 1
    ds.ContentDate, ds.ContentTime = STUDY_DATE, STUDY_TIME
    ds.AcquisitionDateTime = ACQUIRED_AT
    ds.AcquisitionDuration = 5.0
    ds.PixelPresentation, ds.VolumetricProperties = "MONOCHROME", "VOLUME"
    ds.VolumeBasedCalculationTechnique = "NONE"
    ds.ContentQualification = "RESEARCH"
    ds.BurnedInAnnotation, ds.LossyImageCompression = "NO", "00"
    ds.PresentationLUTShape = "IDENTITY"
    ds.AcquisitionContextSequence = Sequence()
    if header.contrast_agent:
        ds.ContrastBolusAgentSequence = Sequence([_contrast_agent(header.contrast_agent)])
    _describe_pixels(ds, image, values.pixels.dtype.kind == "i")
    _describe_dimensions(ds)
    ds.SharedFunctionalGroupsSequence = [_shared_groups(image, header, values.rescale_intercept)]
    ds.PerFrameFunctionalGroupsSequence = [
        _frame_groups(image, header, number) for number in range(len(image.hu))
    ]
    ds.PixelData = values.pixels.astype(values.pixels.dtype.newbyteorder("<")).tobytes()
    ds["PixelData"].VR = "OW"
    return ds


def _describe_pixels(ds: Dataset, image: CtImage, is_signed: bool) -> None:
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.NumberOfFrames, ds.Rows, ds.Columns = image.hu.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.PixelRepresentation = int(is_signed)


def _describe_dimensions(ds: Dataset) -> None:
    """Index frames by stack and position in the stack (PS3.3 C.7.6.17)."""
    uid = derived_uid(ds.SOPInstanceUID, "dimensions")
    ds.DimensionOrganizationSequence = [_group(DimensionOrganizationUID=uid)]
    ds.DimensionOrganizationType = "3D"
    ds.DimensionIndexSequence = [
        _group(
            DimensionOrganizationUID=uid,
            DimensionIndexPointer=Tag(pointer),
            FunctionalGroupPointer=Tag("FrameContentSequence"),
            DimensionDescriptionLabel=label,
        )
        for pointer, label in (("StackID", "Stack"), ("InStackPositionNumber", "In-stack position"))
    ]


def _shared_groups(image: CtImage, header: SeriesHeader, rescale_intercept: int) -> Dataset:
    _, between_rows, between_columns = image.spacing_mm
    orientation = [decimal(c) for c in (*image.row_cosine, *image.column_cosine)]
    groups = Dataset()
    groups.PixelMeasuresSequence = [
        _group(
            PixelSpacing=[decimal(between_rows), decimal(between_columns)],
            SliceThickness=decimal(header.slice_thickness_mm or image.slice_gap_mm),
            SpacingBetweenSlices=decimal(image.slice_gap_mm),
        )
    ]
    groups.PlaneOrientationSequence = [_group(ImageOrientationPatient=orientation)]
    groups.PixelValueTransformationSequence = [
        _group(
            RescaleIntercept=decimal(rescale_intercept), RescaleSlope=decimal(1), RescaleType="HU"
        )
    ]
    groups.FrameVOILUTSequence = [_group(WindowCenter=decimal(40), WindowWidth=decimal(400))]
    groups.FrameAnatomySequence = [
        _group(
            AnatomicRegionSequence=[_code(*ANATOMIC_REGIONS[header.body_part])],
            FrameLaterality="U",
        )
    ]
    groups.CTImageFrameTypeSequence = [
        _group(
            FrameType=_image_type(header),
            PixelPresentation="MONOCHROME",
            VolumetricProperties="VOLUME",
            VolumeBasedCalculationTechnique="NONE",
        )
    ]
    groups.IrradiationEventIdentificationSequence = [
        _group(IrradiationEventUID=derived_uid(header.series_instance_uid, "irradiation"))
    ]
    if header.contrast_agent:
        groups.ContrastBolusUsageSequence = [
            _group(
                ContrastBolusAgentNumber=1,
                ContrastBolusAgentAdministered="YES",
                ContrastBolusAgentDetected="YES",
            )
        ]
    if _is_original(header):
        _describe_acquisition(groups, image, header)
    return groups


def _is_original(header: SeriesHeader) -> bool:
    """Whether the acquisition is known; otherwise the object is derived, without acquisition data."""
    return None not in (
        header.kvp,
        header.convolution_kernel,
        header.tube_current_ma,
        header.exposure_ms,
    )


def _image_type(header: SeriesHeader) -> list[str]:
    return ["ORIGINAL" if _is_original(header) else "DERIVED", "PRIMARY", "VOLUME", "NONE"]


def _describe_acquisition(groups: Dataset, image: CtImage, header: SeriesHeader) -> None:
    """Add the functional groups that PS3.3 A.38 requires in an original CT image."""
    rows = image.hu.shape[1] * image.spacing_mm[1]
    columns = image.hu.shape[2] * image.spacing_mm[2]
    groups.CTAcquisitionTypeSequence = [
        _group(
            AcquisitionType="SPIRAL",
            ConstantVolumeFlag="NO",
            FluoroscopyFlag="NO",
        )
    ]
    groups.CTAcquisitionDetailsSequence = [
        _group(
            RotationDirection="CW",
            RevolutionTime=0.5,
            SingleCollimationWidth=0.625,
            TotalCollimationWidth=40.0,
            TableHeight=decimal(0),
            GantryDetectorTilt=decimal(header.gantry_tilt_deg),
            DataCollectionDiameter=decimal(round(max(rows, columns), 3)),
        )
    ]
    groups.CTTableDynamicsSequence = [
        _group(TableSpeed=80.0, TableFeedPerRotation=40.0, SpiralPitchFactor=1.0)
    ]
    groups.CTGeometrySequence = [
        _group(DistanceSourceToDetector=1085.0, DistanceSourceToDataCollectionCenter=595.0)
    ]
    groups.CTReconstructionSequence = [
        _group(
            ReconstructionAlgorithm="FILTER_BACK_PROJ",
            ConvolutionKernel=header.convolution_kernel,
            ConvolutionKernelGroup="BONE" if header.kernel_is_sharp else "SOFT_TISSUE",
            ReconstructionFieldOfView=[rows, columns],
            ReconstructionPixelSpacing=[image.spacing_mm[1], image.spacing_mm[2]],
            ImageFilter="NONE",
            ReconstructionAngle=360.0,
        )
    ]
    assert header.tube_current_ma is not None
    assert header.exposure_ms is not None
    assert header.kvp is not None
    groups.CTExposureSequence = [
        _group(
            ExposureTimeInms=float(header.exposure_ms),
            XRayTubeCurrentInmA=float(header.tube_current_ma),
            ExposureInmAs=header.tube_current_ma * header.exposure_ms / 1000,
            ExposureModulationType="NONE",
            CTDIvol=10.0,
            CTDIPhantomTypeCodeSequence=[_code("113691", "DCM", "IEC Body Dosimetry Phantom")],
        )
    ]
    groups.CTXRayDetailsSequence = [
        _group(
            KVP=decimal(header.kvp),
            FocalSpots=1.0,
            FilterType="FLAT",
            FilterMaterial="ALUMINUM",
            CalciumScoringMassFactorPatient=1.0,
        )
    ]


def _frame_groups(image: CtImage, header: SeriesHeader, number: int) -> Dataset:
    position = image.position_lps_mm(number)
    groups = Dataset()
    groups.FrameContentSequence = [
        _group(
            StackID="1",
            InStackPositionNumber=number + 1,
            DimensionIndexValues=[1, number + 1],
            TemporalPositionIndex=1,
            FrameAcquisitionNumber=1,
            FrameReferenceDateTime=ACQUIRED_AT,
            FrameAcquisitionDateTime=ACQUIRED_AT,
            FrameAcquisitionDuration=500.0,
        )
    ]
    groups.PlanePositionSequence = [_group(ImagePositionPatient=[decimal(p) for p in position])]
    if _is_original(header):
        centre = [float(c) for c in position + _to_the_middle(image)]
        groups.CTPositionSequence = [
            _group(
                TablePosition=float(position[2]),
                DataCollectionCenterPatient=centre,
                ReconstructionTargetCenterPatient=centre,
            )
        ]
    return groups


def _to_the_middle(image: CtImage) -> NDArray[np.float64]:
    """Vector from the first voxel of a slice to its middle, mm."""
    _, rows, columns = image.hu.shape
    steps = image.affine_lps[:3]
    return np.asarray(steps[:, 1] * (rows - 1) / 2 + steps[:, 2] * (columns - 1) / 2)


def _contrast_agent(name: str) -> Dataset:
    item = _code("7140000", "SCT", "Contrast agent")
    item.ContrastBolusAgentNumber = 1
    item.ContrastBolusAdministrationRouteSequence = [_code("47625008", "SCT", "Intravenous route")]
    item.ContrastBolusIngredientCodeSequence = [_code("44588005", "SCT", "Iodine")]
    item.ContrastBolusVolume = 100.0
    item.ContrastBolusIngredientConcentration = 350.0
    item.CodeMeaning = name[:64]
    return item


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    return _group(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def _group(**attributes: object) -> Dataset:
    """Build a sequence item from keywords."""
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item
