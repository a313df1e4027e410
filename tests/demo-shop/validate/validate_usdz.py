"""Checks every USDZ in a folder with Pixar's validators; exits with 1 if any has an error.

Usage: python validate_usdz.py DIR   (needs usd-core 26.11 from PyPI)
"""

import pathlib
import sys
import zipfile

from pxr import Usd, UsdGeom, UsdValidation


def package_faults(path: pathlib.Path) -> list[str]:
    """What the package format itself demands: stored files on 64-byte borders, the scene first."""
    faults = []
    with zipfile.ZipFile(path) as package, path.open("rb") as raw:
        entries = package.infolist()
        if not entries or not entries[0].filename.endswith((".usda", ".usdc", ".usd")):
            faults.append("the first file is not a scene")
        for entry in entries:
            raw.seek(entry.header_offset + 26)
            name, extra = (int.from_bytes(raw.read(2), "little") for _ in range(2))
            if entry.compress_type != zipfile.ZIP_STORED:
                faults.append(f"{entry.filename} is compressed")
            if (entry.header_offset + 30 + name + extra) % 64 != 0:
                faults.append(f"{entry.filename} does not begin on a 64-byte border")
        bad = package.testzip()
        if bad is not None:
            faults.append(f"{bad} has a wrong check sum")
    return faults


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: python validate_usdz.py DIR", file=sys.stderr)
        return 2
    registry = UsdValidation.ValidationRegistry()
    validators = registry.GetOrLoadAllValidators()
    context = UsdValidation.ValidationContext(validators)
    files = sorted(pathlib.Path(sys.argv[1]).glob("*.usdz"))
    errors = warnings = 0
    for path in files:
        for fault in package_faults(path):
            errors += 1
            print(f"{path.name}: {fault}", file=sys.stderr)
        stage = Usd.Stage.Open(str(path))
        root = stage.GetDefaultPrim()
        if not root or UsdGeom.GetStageMetersPerUnit(stage) != 1.0 or UsdGeom.GetStageUpAxis(stage) != "Y":
            errors += 1
            print(f"{path.name}: no default prim, or not metres with Y up", file=sys.stderr)
        for finding in context.Validate(stage):
            if finding.HasNoError():
                continue
            if finding.GetType() == UsdValidation.ValidationErrorType.Error:
                errors += 1
            else:
                warnings += 1
            print(f"{path.name}: {finding.GetErrorAsString()}", file=sys.stderr)
    print(f"usd-core {Usd.GetVersion()}: {len(validators)} validators, {len(files)} files, {errors} errors, {warnings} warnings")
    return 1 if errors or not files else 0


if __name__ == "__main__":
    sys.exit(main())
