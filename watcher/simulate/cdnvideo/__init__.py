"""A CDNvideo that behaves as its documentation says (vendors/cdnvideo.md, section 5)."""
