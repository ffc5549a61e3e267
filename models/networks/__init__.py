"""Network definitions: MONAI by factory where the field has a standard one."""
