"""Build the anatomy of a virtual patient as painted volumes: skeleton, organs, pathology."""
