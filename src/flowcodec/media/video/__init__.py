"""Frames of a video, a folder or a pipe, one after another, and what writes them.

reading     open_video and open_raw: what a source is, and who reads it
choice      which stream of a container; side_data: what lies beside its frames
packets     its packets; decoding lets only whole frames of them through
hearing     what ffmpeg says on the way; size: how long a file says that it is
times       the clock of frames; ending: how long the last one is shown
fields      interlaced frames become whole ones
streams     a container's frames, from all of these; notes: what of it does not come along
planes      raw planes and y4m
format      what samples mean, and frames between RGB and planes
writing     create_video; matroska, sink, guarding: what ffmpeg or the system lack for it
"""

from flowcodec.media.video.format import Frame, Video, VideoFormat
from flowcodec.media.video.reading import open_raw, open_video

__all__ = ["Frame", "Video", "VideoFormat", "open_raw", "open_video"]
