"""Pictures of a site: files read, checked for names of people, and brought to the size and window that all sites share.

Modules:     raster (one picture in memory), paths (files inside the declared folder), dicom_file, dicom_series,
             nifti_file, pixel_file, array_file (kinds of files), reading (which kind a file is), headers (what a header
             or a picture says of a person), preparing (spacing, size, window), store (all pictures of a table), index
             (a table of a folder's files).
"""
